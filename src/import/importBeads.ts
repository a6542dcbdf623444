import { DateTime, Effect, Option } from "effect"
import { BacklogService, type Card } from "../index.ts"
import { ImportRefused } from "./ImportRefused.ts"
import type { ImportReport, LeftOut } from "./ImportReport.ts"
import type { ImportPlan, PlannedCard } from "./planImport.ts"

/** Cards that one transaction creates. */
const cardsAtOnce = 500

/** How an import is to go. */
export interface ImportOptions {
  readonly actor: string
  /** The file's name, for the report and for what its events have in common. */
  readonly file: string
  /** All or nothing: nothing is written when anything but a tombstone would be left out. */
  readonly strict: boolean
  /** Told how many of the cards to be made are settled. */
  readonly onProgress: (settled: number, total: number) => Effect.Effect<void>
}

/** Refuses a plan that leaves out anything but tombstones. */
export const refuseLosses = (plan: ImportPlan, file: string): Effect.Effect<void, ImportRefused> => {
  const problems = [
    ...plan.file.malformed,
    ...plan.leftOut
      .filter(({ reason }) => reason !== "tombstone")
      .map(({ detail, id, line }) => ({ line, problem: `${JSON.stringify(id)} would be left out: ${detail}` }))
  ].sort((left, right) => left.line - right.line)
  return problems.length === 0 ? Effect.void : Effect.fail(new ImportRefused({ file, problems }))
}

/**
 * Carries out a plan and reports. Cards that exist already are left as they are, so that the same import again changes
 * nothing; one that was broken off is finished by running it again.
 */
export const importBeads = Effect.fn("importBeads")(function* (plan: ImportPlan, options: ImportOptions) {
  const backlog = yield* BacklogService
  if (options.strict) yield* refuseLosses(plan, options.file)
  const existing = new Map((yield* backlog.list()).map((card) => [card.id as string, card]))
  const correlationId = correlationIdOf(options.file, yield* DateTime.now)
  const outcome: Outcome = { taken: [], unchanged: [], differing: [], leftOut: [] }

  const missing = plan.cards.filter((planned) => !settle(outcome, planned, existing.get(planned.card.id)))
  const total = missing.length

  const createAll = Effect.fnUntraced(function* (batch: ReadonlyArray<PlannedCard>) {
    let left = batch
    while (left.length > 0) {
      const sent = left
      left = yield* backlog
        .createMany({ actor: options.actor, correlationId, cards: sent.map(({ card }) => card) })
        .pipe(
          Effect.map(() => {
            outcome.taken.push(...sent)
            return []
          }),
          Effect.catchTags({
            // Somebody else created it meanwhile.
            CardAlreadyExists: ({ id }) =>
              Effect.map(backlog.get(id), (found) =>
                sent.filter(
                  (planned) => planned.card.id !== id || !settle(outcome, planned, Option.getOrUndefined(found))
                )
              ),
            // Through a card of the backlog that waits for one of these. A self-dependency is in no plan.
            DependencyCycle: (error) => {
              const onCycle = new Set<string>(error.path)
              const inTheWay = sent.filter(({ card }) => onCycle.has(card.id))
              const detail = `it waits for itself: ${error.path.join(" → ")}`
              if (options.strict || inTheWay.length === 0) {
                return Effect.fail(
                  new ImportRefused({
                    file: options.file,
                    problems: inTheWay.map(({ card, line }) => ({
                      line,
                      problem: `${JSON.stringify(card.id)} would be left out: ${detail}`
                    }))
                  })
                )
              }
              for (const { card, line } of inTheWay) {
                outcome.leftOut.push({ line, id: card.id, reason: "cycle", detail })
              }
              return Effect.succeed(sent.filter((planned) => !inTheWay.includes(planned)))
            },
            SelfDependency: (error) => Effect.die(error)
          })
        )
    }
  })

  yield* options.onProgress(0, total)
  const size = options.strict ? Math.max(1, total) : cardsAtOnce
  for (let start = 0; start < total; start += size) {
    yield* createAll(missing.slice(start, start + size))
    yield* options.onProgress(Math.min(total, start + size), total)
  }
  return reportOf(plan, outcome, existing, {
    file: options.file,
    correlationId: outcome.taken.length === 0 ? null : correlationId
  })
})

interface Outcome {
  readonly taken: Array<PlannedCard>
  readonly unchanged: Array<PlannedCard>
  readonly differing: Array<{ readonly planned: PlannedCard; readonly fields: ReadonlyArray<string> }>
  readonly leftOut: Array<LeftOut>
}

/** Settles a planned card that exists; `false` when it does not. */
const settle = (outcome: Outcome, planned: PlannedCard, existing: Card | undefined): boolean => {
  if (existing === undefined) return false
  const fields = differences(planned.card, existing)
  if (fields.length === 0) outcome.unchanged.push(planned)
  else outcome.differing.push({ planned, fields })
  return true
}

/**
 * In which fields a card is not what the file says. Its status is the backlog's own from the import on, except that an
 * issue which the file says is closed should be done.
 */
const differences = (planned: PlannedCard["card"], existing: Card): ReadonlyArray<string> => {
  const same = {
    title: planned.title === existing.title,
    body: planned.body === existing.body,
    phase: planned.phase === existing.phase,
    priority: planned.priority === existing.priority,
    acceptance: planned.acceptance === existing.acceptance,
    dependsOn:
      planned.dependsOn.length === existing.dependsOn.length &&
      planned.dependsOn.every((id) => (existing.dependsOn as ReadonlyArray<string>).includes(id)),
    createdAt: planned.occurredAt === undefined || DateTime.Equivalence(planned.occurredAt, existing.createdAt),
    status: planned.status !== "done" || existing.status === "done"
  }
  return Object.entries(same)
    .filter(([, isSame]) => !isSame)
    .map(([field]) => field)
}

/** What the events of one import have in common; a name of at most 200 characters whatever the file is called. */
const correlationIdOf = (file: string, now: DateTime.Utc): string => {
  const name = Array.from(file.replace(/\p{Cc}|\p{Cs}/gu, "_"))
    .slice(-150)
    .join("")
  return `import:${name}:${DateTime.formatIso(now)}`
}

const reportOf = (
  plan: ImportPlan,
  outcome: Outcome,
  existing: ReadonlyMap<string, Card>,
  about: Pick<ImportReport, "file" | "correlationId">
): ImportReport => {
  const leftOut = [...plan.leftOut, ...outcome.leftOut].sort((left, right) => left.line - right.line)
  const present = [...outcome.taken, ...outcome.unchanged, ...outcome.differing.map(({ planned }) => planned)]
  const known = new Set([...existing.keys(), ...present.map(({ card }) => card.id)])
  const whyMissing = new Map(leftOut.map(({ id, reason }) => [id, reason === "tombstone" ? "deleted" : "left out"]))
  const danglingEdges = present.flatMap(({ card }) =>
    card.dependsOn
      .filter((id) => !known.has(id))
      .map((dependsOn) => ({ id: card.id, dependsOn, why: whyMissing.get(dependsOn) ?? "not there" }))
  )
  // What the plan counted as dependencies, without those of cards that the backlog refused.
  const dependencies = present.reduce((sum, { card }) => sum + card.dependsOn.length, 0)
  const { edges } = plan
  return {
    format: "beads",
    ...about,
    lines: plan.file.lines,
    blank: plan.file.blank,
    malformed: plan.file.malformed.length,
    issues: plan.file.issues.length,
    taken: outcome.taken.length,
    unchanged: outcome.unchanged.length,
    differing: outcome.differing.length,
    leftOut: leftOut.length,
    leftOutFor: { tombstone: 0, duplicate: 0, refused: 0, cycle: 0, ...countBy(leftOut, ({ reason }) => reason) },
    takenAs: { ready: 0, blocked: 0, done: 0, ...countBy(outcome.taken, ({ card }) => card.status ?? "ready") },
    statuses: countBy(plan.file.issues, ({ issue }) => issue.status),
    edges: {
      ...edges,
      dependencies,
      ofIssuesLeftOut: edges.ofIssuesLeftOut + edges.dependencies - dependencies,
      dangling: danglingEdges.length
    },
    notCarriedOver: countBy(
      present.flatMap(({ notCarriedOver }) => notCarriedOver),
      (field) => field
    ),
    malformedLines: plan.file.malformed,
    leftOutIssues: leftOut.filter(({ reason }) => reason !== "tombstone"),
    differingCards: outcome.differing.map(({ fields, planned }) => ({
      line: planned.line,
      id: planned.card.id,
      fields
    })),
    danglingEdges
  }
}

const countBy = <A>(all: ReadonlyArray<A>, key: (one: A) => string): Record<string, number> => {
  const counts = new Map<string, number>()
  for (const one of all) counts.set(key(one), (counts.get(key(one)) ?? 0) + 1)
  return Object.fromEntries([...counts].sort(([left], [right]) => (left < right ? -1 : 1)))
}
