import { DateTime, Effect, Option, Stream } from "effect"
import { maxCardsAtOnce } from "../domain/Command.ts"
import { formatPath } from "../domain/Rejection.ts"
import { type ImportPlan, ImportRefused, type PlannedCard } from "./ImportPlan.ts"
import type { Source, SourceRecord } from "./Source.ts"
import { compareContent, digestCard } from "./cardDigest.ts"
import { makeReport, type Outcome } from "./reportImport.ts"
import { BacklogService, type Card, type NewCard } from "../index.ts"

/** Cards that one transaction creates, and the most characters in their bodies. */
const cardsAtOnce = 500
const charactersAtOnce = 4 * 1024 * 1024

/** Cards of the backlog that are looked at at once. */
const existingAtOnce = 5_000

/** How an import is to go. */
export interface ImportOptions {
  readonly actor: string
  /** All or nothing: nothing is written when anything but a tombstone would be left out, or a claim ended. */
  readonly strict: boolean
  /** Told how many of the cards to be made are settled. */
  readonly onProgress: (settled: number, total: number) => Effect.Effect<void>
}

/** Refuses a plan that leaves out anything but tombstones, or ends a claim that is held in the source. */
export const checkStrict = <E, R>(plan: ImportPlan, source: Source<E, R>): Effect.Effect<void, ImportRefused> => {
  const problems = [
    ...plan.malformed,
    ...plan.leftOut
      .filter(({ reason }) => reason !== "tombstone")
      .map(({ detail, id, line }) => ({ line, problem: leftOutProblem(id, detail) })),
    ...Array.from(plan.cards.values())
      .filter(({ claim }) => claim?.live === true)
      .map(({ claim, id, line }) => ({
        line,
        problem: `${JSON.stringify(id)} is claimed by ${JSON.stringify(claim?.owner)}, and would be ready here`
      }))
  ]
  if (problems.length > 0) return refused(source, problems)
  return plan.cards.size <= maxCardsAtOnce
    ? Effect.void
    : refused(source, [{ line: plan.lines, problem: `with --strict an import takes at most ${maxCardsAtOnce} cards` }])
}

const leftOutProblem = (id: string, detail: string): string => `${JSON.stringify(id)} would be left out: ${detail}`

const refused = <E, R>(
  source: Source<E, R>,
  problems: ReadonlyArray<{ readonly line: number; readonly problem: string }>
) =>
  Effect.fail(
    new ImportRefused({
      file: source.name,
      problems: problems
        .map(({ line, problem }) => ({ line, place: source.placeOf(line), problem }))
        .sort((left, right) => left.line - right.line)
    })
  )

/** A card to be made, and where it comes from. */
interface Wanted {
  readonly planned: PlannedCard
  readonly card: typeof NewCard.Encoded
}

/**
 * Carries out a plan and reports. Cards that exist already are left as they are, so that the same import again changes
 * nothing; one that was broken off is finished by running it again. The source is read a second time for what is to be
 * made, and of its texts no more is held than one transaction takes.
 */
export const importIssues = Effect.fn("importIssues")(function* <E, R>(
  source: Source<E, R>,
  plan: ImportPlan,
  options: ImportOptions
) {
  const backlog = yield* BacklogService
  if (options.strict) yield* checkStrict(plan, source)
  const correlationId = correlationIdOf(source.name, yield* DateTime.now)
  const outcome: Outcome = { taken: [], unchanged: 0, differing: [], leftOut: [], targets: new Set() }

  const { changed, settled } = yield* existingCards(plan, outcome)
  const total = plan.cards.size - settled.size - changed.size

  /** Settles a card that exists and may differ. */
  const compare = ({ card, planned }: Wanted, existing: Card): void => {
    const fields = differences(planned, card, existing)
    if (fields.length === 0) outcome.unchanged++
    else outcome.differing.push({ line: planned.line, id: planned.id, fields })
  }

  const leave = (planned: PlannedCard, reason: "cycle" | "duplicate", detail: string): void => {
    outcome.leftOut.push({ line: planned.line, id: planned.id, reason, detail })
  }

  const createAll = Effect.fnUntraced(function* (batch: ReadonlyArray<Wanted>) {
    let left = batch
    while (left.length > 0) {
      const sent = left
      left = yield* backlog
        .createMany({ actor: options.actor, correlationId, cards: sent.map(({ card }) => card) })
        .pipe(
          Effect.flatMap((created) => {
            const others = sent.flatMap(({ planned }, index) =>
              created[index]?.id === planned.id ? [] : [{ planned, other: created[index]?.id ?? "" }]
            )
            for (const { other, planned } of others) {
              leave(planned, "duplicate", `card ${JSON.stringify(other)} of the backlog has the same idempotency key`)
            }
            const apart = new Set(others.map(({ planned }) => planned))
            outcome.taken.push(...sent.flatMap(({ planned }) => (apart.has(planned) ? [] : [planned])))
            return Effect.succeed<ReadonlyArray<Wanted>>([])
          }),
          Effect.catchTags({
            // Somebody else created it meanwhile.
            CardAlreadyExists: ({ id }) =>
              Effect.map(backlog.get(id), (found) =>
                sent.filter((wanted) => {
                  if (wanted.planned.id !== id || Option.isNone(found)) return true
                  compare(wanted, found.value)
                  return false
                })
              ),
            // Through a card of the backlog that waits for one of these. A self-dependency is in no plan.
            DependencyCycle: (error) => {
              const onCycle = new Set<string>(error.path)
              const inTheWay = sent.filter(({ planned }) => onCycle.has(planned.id))
              const detail = `it waits for itself: ${formatPath(error.path)}`
              if (options.strict || inTheWay.length === 0) {
                return refused(
                  source,
                  inTheWay.map(({ planned }) => ({ line: planned.line, problem: leftOutProblem(planned.id, detail) }))
                )
              }
              for (const { planned } of inTheWay) leave(planned, "cycle", detail)
              return Effect.succeed(sent.filter((wanted) => !inTheWay.includes(wanted)))
            },
            SelfDependency: (error) => Effect.die(error)
          })
        )
    }
  })

  const wantedOf = (record: SourceRecord): ReadonlyArray<Wanted> => {
    if (record._tag !== "Issue") return []
    const planned = plan.cards.get(record.issue.id)
    if (planned === undefined || planned.line !== record.line || settled.has(planned.id)) return []
    return [{ planned, card: { ...record.issue.card, dependsOn: planned.dependsOn } }]
  }

  let done = 0
  let waiting: Array<Wanted> = []
  let characters = 0
  const flush = Effect.suspend(() => {
    const batch = waiting
    waiting = []
    characters = 0
    done += batch.length
    return Effect.andThen(createAll(batch), options.onProgress(done, total))
  })

  yield* options.onProgress(0, total)
  if (total > 0 || changed.size > 0) {
    yield* Stream.runForEach(source.records, (record) => {
      for (const wanted of wantedOf(record)) {
        const existing = changed.get(wanted.planned.id)
        if (existing === undefined) {
          waiting.push(wanted)
          characters += wanted.card.body?.length ?? 0
        } else compare(wanted, existing)
      }
      const isFull = waiting.length >= cardsAtOnce || characters >= charactersAtOnce
      return isFull && !options.strict ? flush : Effect.void
    })
    yield* flush
  }
  return makeReport(source, plan, outcome, outcome.taken.length === 0 ? null : correlationId)
})

/**
 * Looks at the cards that are in the backlog, page by page: which planned ones are there and as the source says, which
 * are there and may differ, and which others planned cards depend on.
 */
const existingCards = Effect.fnUntraced(function* (plan: ImportPlan, outcome: Outcome) {
  const backlog = yield* BacklogService
  const outside = new Set<string>()
  for (const { dependsOn } of plan.cards.values()) {
    for (const id of dependsOn) if (!plan.cards.has(id)) outside.add(id)
  }
  const settled = new Set<string>()
  const changed = new Map<string, Card>()
  let after: string | undefined
  do {
    const page: ReadonlyArray<Card> = yield* backlog.list({ limit: existingAtOnce, after })
    for (const card of page) {
      if (outside.has(card.id)) outcome.targets.add(card.id)
      const planned = plan.cards.get(card.id)
      if (planned === undefined) continue
      if (isAsPlanned(planned, card)) settled.add(card.id)
      else changed.set(card.id, card)
    }
    after = page.length < existingAtOnce ? undefined : page.at(-1)?.id
  } while (after !== undefined)
  outcome.unchanged += settled.size
  return { settled, changed }
})

const isAsPlanned = (planned: PlannedCard, card: Card): boolean =>
  otherDifferences(planned, card).length === 0 && digestCard(card, planned.says) === planned.digest

/** In which fields a card is not what the source says. */
const differences = (planned: PlannedCard, said: Wanted["card"], card: Card): ReadonlyArray<string> => [
  ...compareContent(said, card),
  ...otherDifferences(planned, card)
]

/**
 * The same, of dependencies and status alone. A card's status is the backlog's own from the import on, except that an
 * issue which the source says is finished should be done.
 */
const otherDifferences = (planned: PlannedCard, card: Card): ReadonlyArray<string> => {
  const dependencies: ReadonlySet<string> = new Set(card.dependsOn)
  const hasSame =
    planned.dependsOn.length === dependencies.size && planned.dependsOn.every((id) => dependencies.has(id))
  return [...(hasSame ? [] : ["dependsOn"]), ...(planned.status === "done" && card.status !== "done" ? ["status"] : [])]
}

/** What the events of one import have in common; a name of at most 200 characters whatever the source is called. */
const correlationIdOf = (name: string, now: DateTime.Utc): string => {
  const kept = Array.from(name.replace(/\p{Cc}|\p{Cs}/gu, "_"))
    .slice(-150)
    .join("")
  return `import:${kept}:${DateTime.formatIso(now)}`
}
