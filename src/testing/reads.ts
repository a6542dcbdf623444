import { Effect, Option, Schema } from "effect"
import type { BacklogFailure } from "../services/serverFailures.ts"
import { Card } from "../domain/Card.ts"
import { ClaimOutlook } from "../domain/ClaimOutlook.ts"
import type { ClaimFilter } from "../domain/Command.ts"
import { Explanation } from "../domain/Explanation.ts"
import type { CardNotFound } from "../domain/Rejection.ts"
import type { Stats } from "../domain/Stats.ts"
import type { BacklogService } from "../services/BacklogService.ts"
import type { InvalidInput } from "../services/decodeInput.ts"
import { type Model, sameJson } from "./Model.ts"
import { indent } from "./describeProblem.ts"
import { differences } from "./differences.ts"
import { computeStats, explainCard, listCards, type ModelListOptions, whyNothingClaimable } from "./modelQueries.ts"

/** A read of the backlog, and what the model returns for it, both as JSON. */
export interface Read {
  readonly name: string
  readonly actual: (
    backlog: BacklogService["Service"]
  ) => Effect.Effect<unknown, CardNotFound | InvalidInput | BacklogFailure>
  /** `now` is the database clock, in milliseconds since 1970. */
  readonly expected: (model: Model, now: number) => unknown
}

/** A read, and the value that the backlog returned. */
export interface ReadResult {
  readonly read: Read
  readonly value: unknown
}

const encodeCard = Schema.encodeSync(Card)
const encodeExplanation = Schema.encodeSync(Explanation)
const encodeOutlook = Schema.encodeSync(ClaimOutlook)

const readCard = (id: string): Read => ({
  name: `get(${JSON.stringify(id)})`,
  actual: (backlog) =>
    Effect.map(backlog.get(id), Option.match({ onNone: () => null, onSome: (card) => encodeCard(card) })),
  expected: ({ cards }) => cards.get(id) ?? null
})

const readExplanation = (id: string): Read => ({
  name: `explain(${JSON.stringify(id)})`,
  actual: (backlog) =>
    backlog.explain(id).pipe(
      Effect.map((explanation) => encodeExplanation(explanation)),
      Effect.catchTag("CardNotFound", () => Effect.succeed(null))
    ),
  expected: (model, now) => explainCard(model, id, now) ?? null
})

const readList = (options: ModelListOptions): Read => ({
  name: `list(${JSON.stringify(options)})`,
  actual: (backlog) => Effect.map(backlog.list(options), (cards) => cards.map((card) => encodeCard(card))),
  expected: (model, now) => listCards(model, now, options)
})

const readStats: Read = {
  name: "stats",
  actual: (backlog) => Effect.map(backlog.stats, openStats),
  expected: (model, now) => openStats(computeStats(model, now))
}

/** The counts of cards that are not done. */
const openStats = ({ claimable, counts, expiredClaimCount, oldestReadyAgeSeconds, waiting }: Stats) => ({
  counts: { ready: counts.ready, claimed: counts.claimed, blocked: counts.blocked },
  claimable,
  waiting,
  oldestReadyAgeSeconds,
  expiredClaimCount
})

const readOutlook = (filter: ClaimFilter): Read => ({
  name: `whyNothingClaimable(${JSON.stringify(filter)}) and awaitClaimable`,
  actual: (backlog) =>
    Effect.all({
      outlook: Effect.map(backlog.whyNothingClaimable(filter), (outlook) => openOutlook(encodeOutlook(outlook))),
      isClaimable: backlog.awaitClaimable({ ...filter, waitSeconds: 0 })
    }),
  expected: (model, now) => {
    const outlook = openOutlook(whyNothingClaimable(model, now, filter))
    return { outlook, isClaimable: outlook.counts.claimable > 0 }
  }
})

/** The model does not have the cards of earlier programs, so its outlook is `Empty` where the backlog's is `Done`. */
const openOutlook = (outlook: typeof ClaimOutlook.Encoded) =>
  outlook.reason === "Empty" ? { ...outlook, reason: "Done" } : outlook

/** Every read of a backlog that may be in the state of any of the models, by kind. */
const readsByKind = (models: ReadonlyArray<Model>): ReadonlyArray<ReadonlyArray<Read>> => {
  const ids = idsOf(models)
  // The cards of earlier programs are done. A list of all done cards would grow with every program.
  const lists = (["ready", "claimed", "blocked"] as const).map((status) => readList({ status }))
  return [
    ids.map(readCard),
    lists,
    ids.map(readExplanation),
    [readStats],
    (["claimable", "waiting", "deferred", "expired"] as const).map((claimability) => readList({ claimability })),
    openFilters(models).map((filter) => readList({ ...filter, status: "ready" })),
    claimFilters(models).map(readOutlook)
  ]
}

/** Filters of lists of open cards: an existing label, and one that is excluded. */
const openFilters = (models: ReadonlyArray<Model>): ReadonlyArray<ClaimFilter> => claimFilters(models).slice(1)

const idsOf = (models: ReadonlyArray<Model>): ReadonlyArray<string> => [
  ...new Set(models.flatMap(({ cards }) => [...cards.keys()]))
]

/** Filters of claims: none, an existing phase, an existing priority, an existing label. */
const claimFilters = (models: ReadonlyArray<Model>): ReadonlyArray<ClaimFilter> => {
  const cards = models.flatMap((model) => [...model.cards.values()])
  return [
    {},
    ...cards.flatMap(({ phase }) => (phase === null ? [] : { phase })).slice(0, 1),
    ...cards.map(({ priority }) => ({ minPriority: priority })).slice(-1),
    ...cards.flatMap(({ labels: [label] }) => (label === undefined ? [] : { labels: [label] })).slice(0, 1),
    ...cards.flatMap(({ labels: [label] }) => (label === undefined ? [] : { withoutLabels: [label] })).slice(0, 1)
  ]
}

/** Returns every read: each card and its explanation, the lists, the counts and the claim outlooks. */
export const allReads = (models: ReadonlyArray<Model>): ReadonlyArray<Read> => readsByKind(models).flat()

/**
 * Returns the reads after a step: each card that the step changed, and one other read. `turn` selects the other one: successive
 * turns read every kind in turn, and each time another one of its kind.
 */
export const readsAfterStep = (
  before: ReadonlyArray<Model>,
  after: ReadonlyArray<Model>,
  turn: number
): ReadonlyArray<Read> => {
  // A command replaces the cards that it changes, and no others.
  const isChanged = (id: string): boolean => {
    const known = new Set(before.map((model) => model.cards.get(id)))
    return after.some((model) => !known.has(model.cards.get(id)))
  }
  const changed = idsOf([...before, ...after]).filter(isChanged)
  const kinds = readsByKind(after)
  const kind = kinds[turn % kinds.length] ?? []
  const other = kind[Math.floor(turn / kinds.length) % kind.length]
  return [...changed.map(readCard), ...(other === undefined ? [] : [other])]
}

/** Returns the models that agree with everything that was read at `now`, in milliseconds since 1970. */
export const agreeing = (
  models: ReadonlyArray<Model>,
  results: ReadonlyArray<ReadResult>,
  now: number
): ReadonlyArray<Model> =>
  models.filter((model) => results.every(({ read, value }) => sameJson(read.expected(model, now), value)))

/** Describes how the backlog differs from the model that comes closest to what was read. */
export const describeDisagreement = (
  models: ReadonlyArray<Model>,
  results: ReadonlyArray<ReadResult>,
  now: number
): string => {
  const [closest] = models
    .map((model) =>
      results.flatMap(({ read, value }) => {
        const lines = differences(read.expected(model, now), value)
        return lines.length === 0 ? [] : [{ name: read.name, lines }]
      })
    )
    .sort((one, other) => one.length - other.length)
  const [first] = closest ?? []
  return `${first?.name} returned what the rules do not allow:\n${indent(first?.lines ?? [])}`
}
