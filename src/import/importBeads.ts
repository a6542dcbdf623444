import { DateTime, Effect, Option } from "effect"
import { describePath } from "../domain/Rejection.ts"
import { BacklogService } from "../index.ts"
import { type Outcome, settle } from "./importOutcome.ts"
import { ImportRefused } from "./ImportRefused.ts"
import type { ImportPlan, PlannedCard } from "./planImport.ts"
import { reportOf } from "./reportImport.ts"

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
              const detail = `it waits for itself: ${describePath(error.path)}`
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

/** What the events of one import have in common; a name of at most 200 characters whatever the file is called. */
const correlationIdOf = (file: string, now: DateTime.Utc): string => {
  const name = Array.from(file.replace(/\p{Cc}|\p{Cs}/gu, "_"))
    .slice(-150)
    .join("")
  return `import:${name}:${DateTime.formatIso(now)}`
}
