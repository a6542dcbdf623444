import { DateTime, Effect, Option, Stream } from "effect"
import { createHash } from "node:crypto"
import { maxCardsAtOnce } from "../domain/Command.ts"
import { formatPath } from "../domain/Rejection.ts"
import { type ImportPlan, ImportRefused, type PlannedCard } from "./ImportPlan.ts"
import type { Source, SourceRecord } from "./Source.ts"
import { compareContent, digestCard } from "./digestCard.ts"
import { makeReport, type Outcome } from "./ImportReport.ts"
import { BacklogService, type Card, type NewCard } from "../index.ts"

/** Maximum cards that one transaction creates, and the characters of bodies after which it is sent. */
const batchCards = 500
const batchCharacters = 4 * 1024 * 1024

/** Existing cards that are read at once. */
const pageSize = 5_000

/** Options of an import. */
export interface ImportOptions {
  readonly actor: string
  /** Writes nothing when anything but a tombstone would be left out, or a live claim would end. */
  readonly strict: boolean
  /** Is called with how many of the cards to create are settled. */
  readonly onProgress: (settled: number, total: number) => Effect.Effect<void>
}

/** Fails when a plan leaves out anything but tombstones, or ends a live claim. */
export const checkStrict = <E, R>(plan: ImportPlan, source: Source<E, R>): Effect.Effect<void, ImportRefused> => {
  const problems = [
    ...plan.malformed,
    ...plan.leftOut
      .filter(({ reason }) => reason !== "tombstone")
      .map(({ detail, id, line }) => ({ line, problem: leftOutProblem(id, detail) })),
    ...Array.from(plan.cards.values())
      .filter(({ claim, status }) => claim?.live === true && status === "ready")
      .map(({ claim, id, line }) => ({
        line,
        problem: `${JSON.stringify(id)} is claimed by ${claim?.owner == null ? "an unnamed owner" : JSON.stringify(claim.owner)}, and the card would be ready`
      }))
  ]
  if (problems.length > 0) return refused(source, problems)
  return plan.cards.size <= maxCardsAtOnce
    ? Effect.void
    : refused(source, [{ line: plan.lines, problem: `with --strict an import takes at most ${maxCardsAtOnce} cards` }])
}

/** The error of an import that takes nothing: why each record was not taken. */
export const nothingTaken = <E, R>(
  plan: ImportPlan,
  source: Source<E, R>,
  leftOut: ImportPlan["leftOut"] = plan.leftOut
): Effect.Effect<never, ImportRefused> => {
  const problems = [
    ...plan.malformed,
    ...plan.otherRecords.map(({ kind, line }) => ({ line, problem: `it is a ${kind}, which is not imported` })),
    ...leftOut.map(({ detail, id, line }) => ({ line, problem: leftOutProblem(id, detail) }))
  ]
  if (problems.length > 0) return refused(source, problems)
  return Effect.fail(
    new ImportRefused({ file: source.name, problems: [{ line: 0, place: "the source", problem: "it has no issues" }] })
  )
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

/** A card to create, with its plan. */
interface PendingCard {
  readonly planned: PlannedCard
  readonly card: typeof NewCard.Encoded
}

/**
 * Carries out a plan, and reports. Cards that exist are not changed, so that a repeated import changes nothing and an
 * interrupted one is finished by running it again. The source is read a second time for the cards to create, so that the
 * import holds no more texts than one transaction takes.
 */
export const importIssues = Effect.fn("importIssues")(function* <E, R>(
  source: Source<E, R>,
  plan: ImportPlan,
  options: ImportOptions
) {
  const backlog = yield* BacklogService
  if (plan.cards.size === 0) return yield* nothingTaken(plan, source)
  if (options.strict) yield* checkStrict(plan, source)
  const correlationId = correlationIdOf(source.name, yield* DateTime.now)
  const outcome: Outcome = {
    taken: [],
    unchanged: 0,
    differing: [],
    leftOut: [],
    dropped: new Map(),
    targets: new Set()
  }

  const { changed, settled } = yield* readExisting(plan, outcome)
  const total = plan.cards.size - settled.size - changed.size

  /** Settles an existing card that may differ. */
  const compare = ({ card, planned }: PendingCard, existing: Card): void => {
    const fields = differences(planned, card, existing)
    if (fields.length === 0) outcome.unchanged++
    else outcome.differing.push({ line: planned.line, id: planned.id, fields })
  }

  const leave = (planned: PlannedCard, reason: "cycle" | "duplicate", detail: string): void => {
    outcome.leftOut.push({ line: planned.line, id: planned.id, reason, detail })
  }

  const createAll = Effect.fnUntraced(function* (batch: ReadonlyArray<PendingCard>) {
    let left = batch
    while (left.length > 0) {
      const sent = left
      left = yield* backlog
        .createMany({ actor: options.actor, correlationId, cards: sent.map(({ card }) => card) })
        .pipe(
          Effect.flatMap((created) => {
            const duplicates = sent.flatMap(({ planned }, index) =>
              created[index]?.id === planned.id ? [] : [{ planned, other: created[index]?.id ?? "" }]
            )
            for (const { other, planned } of duplicates) {
              leave(planned, "duplicate", `card ${JSON.stringify(other)} of the backlog has the same idempotency key`)
            }
            const skipped = new Set(duplicates.map(({ planned }) => planned))
            outcome.taken.push(...sent.flatMap(({ planned }) => (skipped.has(planned) ? [] : [planned])))
            return Effect.succeed<ReadonlyArray<PendingCard>>([])
          }),
          Effect.catchTags({
            // Another client created it meanwhile.
            CardAlreadyExists: ({ id }) =>
              Effect.map(backlog.get(id), (found) =>
                sent.filter((wanted) => {
                  if (wanted.planned.id !== id || Option.isNone(found)) return true
                  compare(wanted, found.value)
                  return false
                })
              ),
            // The cycle goes through an existing card. No plan contains a self-dependency.
            DependencyCycle: Effect.fnUntraced(function* (error) {
              const harmless = yield* findHarmlessEdge(error.path, sent)
              if (harmless !== undefined) {
                const { from, to } = harmless
                outcome.dropped.set(from, (outcome.dropped.get(from) ?? new Set()).add(to))
                return sent.map(({ card, planned }) =>
                  planned.id === from
                    ? { planned, card: { ...card, dependsOn: (card.dependsOn ?? []).filter((id) => id !== to) } }
                    : { planned, card }
                )
              }
              const onCycle = new Set<string>(error.path)
              const blocking = sent.filter(({ planned }) => onCycle.has(planned.id))
              const detail = `it waits for itself: ${formatPath(error.path)}`
              if (options.strict || blocking.length === 0) {
                return yield* refused(
                  source,
                  blocking.map(({ planned }) => ({ line: planned.line, problem: leftOutProblem(planned.id, detail) }))
                )
              }
              for (const { planned } of blocking) leave(planned, "cycle", detail)
              return sent.filter((wanted) => !blocking.includes(wanted))
            }),
            SelfDependency: (error) => Effect.die(error)
          })
        )
    }
  })

  const pendingCards = (record: SourceRecord): ReadonlyArray<PendingCard> => {
    if (record._tag !== "Issue") return []
    const planned = plan.cards.get(record.issue.id)
    if (planned === undefined || planned.line !== record.line || settled.has(planned.id)) return []
    const { blockedReason, dependsOn, status } = planned
    const notBefore = status === "ready" ? planned.notBefore : undefined
    return [{ planned, card: { ...record.issue.card, status, blockedReason, dependsOn, notBefore } }]
  }

  let done = 0
  let waiting: Array<PendingCard> = []
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
      for (const wanted of pendingCards(record)) {
        const existing = changed.get(wanted.planned.id)
        if (existing === undefined) {
          waiting.push(wanted)
          characters += wanted.card.body?.length ?? 0
        } else compare(wanted, existing)
      }
      const isFull = waiting.length >= batchCards || characters >= batchCharacters
      return isFull && !options.strict ? flush : Effect.void
    })
    yield* flush
  }
  const notes = yield* writeNotes(source, plan, options, correlationId, (id) => {
    if (outcome.leftOut.some((each) => each.id === id)) return undefined
    return settled.get(id) ?? changed.get(id)?.noteCount ?? 0
  })
  if (outcome.taken.length + outcome.unchanged + outcome.differing.length === 0) {
    return yield* nothingTaken(plan, source, [...plan.leftOut, ...outcome.leftOut])
  }
  return makeReport(source, plan, outcome, notes, outcome.taken.length + notes === 0 ? null : correlationId)
})

/**
 * Writes the notes of the planned cards that have fewer notes than the source states, and returns how many. Each has a command
 * id that follows from its card and its text, so that an import that is repeated writes no note twice. `notesOf` returns how many
 * notes a card had; `undefined` for a card that does not exist.
 */
const writeNotes = Effect.fnUntraced(function* <E, R>(
  source: Source<E, R>,
  plan: ImportPlan,
  { actor }: ImportOptions,
  correlationId: string,
  notesOf: (id: string) => number | undefined
) {
  const backlog = yield* BacklogService
  let written = 0
  if (Array.from(plan.cards.values()).every(({ notes }) => notes === 0)) return written
  yield* Stream.runForEach(source.records, (record) => {
    if (record._tag !== "Issue") return Effect.void
    const { id, notes = [] } = record.issue
    if (notes.length === 0 || plan.cards.get(id)?.line !== record.line) return Effect.void
    const known = notesOf(id)
    if (known === undefined || known >= notes.length) return Effect.void
    written += notes.length
    // In order, each after the one before.
    return Effect.forEach(
      notes,
      (text, index) => {
        const digest = createHash("sha256")
          .update(JSON.stringify([id, index, text]))
          .digest("base64url")
        return backlog
          .note({ id, text, actor, correlationId, commandId: `import-note-${digest}` })
          .pipe(Effect.catchTags({ CardNotFound: Effect.die, ClaimLost: Effect.die, CommandIdConflict: Effect.die }))
      },
      { discard: true }
    )
  })
  return written
})

/**
 * Finds an edge of a cycle that nothing waits for: from a new card that is done, or from a new card to an existing one that
 * is done.
 */
const findHarmlessEdge = Effect.fnUntraced(function* (path: ReadonlyArray<string>, sent: ReadonlyArray<PendingCard>) {
  const statuses = new Map(sent.map(({ planned }) => [planned.id, planned.status]))
  for (const [index, from] of path.slice(0, -1).entries()) {
    const to = path[index + 1] ?? ""
    if (statuses.get(from) === "done") return { from, to }
    if (!statuses.has(from) || statuses.has(to)) continue
    const found = yield* (yield* BacklogService).get(to)
    if (Option.isSome(found) && found.value.status === "done") return { from, to }
  }
  return undefined
})

/**
 * Reads the existing cards page by page: which planned cards exist unchanged, which exist and may differ, and which cards
 * outside of the plan the planned cards depend on.
 */
const readExisting = Effect.fnUntraced(function* (plan: ImportPlan, outcome: Outcome) {
  const backlog = yield* BacklogService
  const outside = new Set<string>()
  for (const { dependsOn } of plan.cards.values()) {
    for (const id of dependsOn) if (!plan.cards.has(id)) outside.add(id)
  }
  const settled = new Map<string, Card["noteCount"]>()
  const changed = new Map<string, Card>()
  let after: string | undefined
  do {
    const page: ReadonlyArray<Card> = yield* backlog.list({ limit: pageSize, after })
    for (const card of page) {
      if (outside.has(card.id)) outcome.targets.add(card.id)
      const planned = plan.cards.get(card.id)
      if (planned === undefined) continue
      if (isAsPlanned(planned, card)) settled.set(card.id, card.noteCount)
      else changed.set(card.id, card)
    }
    after = page.length < pageSize ? undefined : page.at(-1)?.id
  } while (after !== undefined)
  outcome.unchanged += settled.size
  return { settled, changed }
})

const isAsPlanned = (planned: PlannedCard, card: Card): boolean =>
  otherDifferences(planned, card).length === 0 && digestCard(card, planned) === planned.digest

/** Returns the fields in which a card differs from the source. */
const differences = (planned: PlannedCard, stated: PendingCard["card"], card: Card): ReadonlyArray<string> => [
  ...compareContent(stated, card),
  ...otherDifferences(planned, card)
]

/**
 * Compares dependencies and status. After the import the backlog decides a card's status, so it differs only when the issue
 * is done in the source and the card is not.
 */
const otherDifferences = (planned: PlannedCard, card: Card): ReadonlyArray<string> => {
  const dependencies: ReadonlySet<string> = new Set(card.dependsOn)
  const hasSame =
    planned.dependsOn.length === dependencies.size && planned.dependsOn.every((id) => dependencies.has(id))
  return [...(hasSame ? [] : ["dependsOn"]), ...(planned.status === "done" && card.status !== "done" ? ["status"] : [])]
}

/** The correlation id of an import's events: at most 200 characters, however long the source's name is. */
const correlationIdOf = (name: string, now: DateTime.Utc): string => {
  const kept = Array.from(name.replace(/\p{Cc}|\p{Cs}/gu, "_"))
    .slice(-150)
    .join("")
  return `import:${kept}:${DateTime.formatIso(now)}`
}
