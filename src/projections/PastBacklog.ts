import { DateTime, Effect, Option, Stream } from "effect"
import type { Card, Status } from "../domain/Card.ts"
import { type CardId, compareIds } from "../domain/CardId.ts"
import type { Claimability, ListOrder } from "../domain/CardFilter.ts"
import { type ClaimRank, compareRanks, isClaimable, isDue, isExpired } from "../domain/Claimability.ts"
import { matchesFilter } from "../domain/decide.ts"
import { explain, type Explanation, type UnmetDependency } from "../domain/Explanation.ts"
import type { Stats } from "../domain/Stats.ts"
import type { EventLog } from "../events/EventLog.ts"
import { foldCards, foldPages, type FoldedCard, type ReadFailure } from "./foldCards.ts"
import { type ListFilter, toArray } from "./listQueries.ts"

/** The cards of a moment to list, and in which order. Words are only searched in the present. */
export type PastListFilter = Omit<ListFilter, "text" | "isSummary">

/** The fields of a card that orders, filters and counts use, without its texts. */
interface PastCard extends ClaimRank {
  readonly status: Status
  readonly phase: string | null
  readonly labels: ReadonlyArray<string>
  readonly owner: string | null
  readonly position: number
  readonly completedAtMillis: number | null
  readonly notBefore: DateTime.Utc | null
  readonly claimExpiresAt: DateTime.Utc | null
  readonly unmetDependencies: number
}

const allStatuses: ReadonlyArray<Status> = ["ready", "claimed", "blocked", "done"]

/**
 * The cards of a moment in about 90 bytes each: an array for each field instead of an object for each card. Cards are added in
 * the order of ids and found by binary search.
 */
class PastCards {
  readonly #ids: Array<CardId> = []
  readonly #priorities: Array<number> = []
  readonly #createdAt: Array<number> = []
  readonly #statuses: Array<number> = []
  readonly #phases: Array<number> = []
  readonly #positions: Array<number> = []
  readonly #labels = new Map<number, ReadonlyArray<string>>()
  readonly #labelSets = new Map<string, ReadonlyArray<string>>()
  readonly #owners = new Map<number, string>()
  readonly #completedAt = new Map<number, number>()
  readonly #unmet: Array<number> = []
  readonly #notBefore = new Map<number, DateTime.Utc>()
  readonly #claimExpiresAt = new Map<number, DateTime.Utc>()
  readonly #phaseNames: Array<string> = []
  readonly #phaseNumbers = new Map<string, number>()
  #edges: Array<readonly [index: number, dependsOn: ReadonlyArray<CardId>]> = []

  get size(): number {
    return this.#ids.length
  }

  /** Adds a card. Its id must come after the ids of all cards before. */
  add({ card, position }: FoldedCard): void {
    const index = this.#ids.length
    this.#ids.push(card.id)
    this.#priorities.push(card.priority)
    this.#createdAt.push(DateTime.toEpochMillis(card.createdAt))
    this.#statuses.push(allStatuses.indexOf(card.status))
    this.#phases.push(card.phase === null ? -1 : this.#phaseNumber(card.phase))
    this.#unmet.push(0)
    this.#positions.push(position)
    if (card.labels.length > 0) this.#labels.set(index, this.#labelSet(card.labels))
    if (card.claimOwner !== null) this.#owners.set(index, card.claimOwner)
    if (card.completedAt !== null) this.#completedAt.set(index, DateTime.toEpochMillis(card.completedAt))
    if (card.notBefore !== null) this.#notBefore.set(index, card.notBefore)
    if (card.claimExpiresAt !== null) this.#claimExpiresAt.set(index, card.claimExpiresAt)
    if (card.dependsOn.length > 0) this.#edges.push([index, card.dependsOn])
  }

  /** Must be called after the last card: counts unmet dependencies and drops the edges. */
  countUnmet(): void {
    for (const [index, dependsOn] of this.#edges) {
      this.#unmet[index] = dependsOn.filter((id) => this.statusOf(id) !== "done").length
    }
    this.#edges = []
  }

  get(id: CardId): PastCard | undefined {
    const index = this.#indexOf(id)
    return index === undefined ? undefined : this.#at(index)
  }

  statusOf(id: CardId): Status | undefined {
    const index = this.#indexOf(id)
    return index === undefined ? undefined : allStatuses[this.#statuses[index] ?? -1]
  }

  /** All cards, in the order of ids. */
  *[Symbol.iterator](): Iterator<PastCard> {
    for (let index = 0; index < this.#ids.length; index++) yield this.#at(index)
  }

  #at(index: number): PastCard {
    const id = this.#ids[index]
    const status = allStatuses[this.#statuses[index] ?? -1]
    if (id === undefined || status === undefined) throw new Error(`there is no card at index ${index}`)
    return {
      id,
      priority: this.#priorities[index] ?? 0,
      createdAtMillis: this.#createdAt[index] ?? 0,
      status,
      phase: this.#phaseNames[this.#phases[index] ?? -1] ?? null,
      labels: this.#labels.get(index) ?? none,
      owner: this.#owners.get(index) ?? null,
      position: this.#positions[index] ?? 0,
      completedAtMillis: this.#completedAt.get(index) ?? null,
      notBefore: this.#notBefore.get(index) ?? null,
      claimExpiresAt: this.#claimExpiresAt.get(index) ?? null,
      unmetDependencies: this.#unmet[index] ?? 0
    }
  }

  #indexOf(id: CardId): number | undefined {
    let low = 0
    let high = this.#ids.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const order = compareIds(this.#ids[middle] ?? id, id)
      if (order === 0) return middle
      if (order < 0) low = middle + 1
      else high = middle
    }
    return undefined
  }

  /** The same array for the same labels. */
  #labelSet(labels: ReadonlyArray<string>): ReadonlyArray<string> {
    const key = labels.join("\n")
    const known = this.#labelSets.get(key)
    if (known === undefined) this.#labelSets.set(key, labels)
    return known ?? labels
  }

  #phaseNumber(phase: string): number {
    const known = this.#phaseNumbers.get(phase)
    if (known !== undefined) return known
    const number = this.#phaseNames.push(phase) - 1
    this.#phaseNumbers.set(phase, number)
    return number
  }
}

/** A moment of the past: the state after an event, and the time of the database's clock. */
export interface Moment {
  /** The position of the last event; 0 before the first. */
  readonly position: number
  /** The time by which leases and retry times are judged. */
  readonly now: DateTime.Utc
}

const none: ReadonlyArray<CardId> = []

/**
 * The backlog at a moment, from the log alone. Holds about 80 bytes a card in memory; texts are read from the log when they
 * are requested.
 */
export class PastBacklog {
  readonly moment: Moment
  readonly #log: EventLog["Service"]
  readonly #cards: PastCards

  private constructor(log: EventLog["Service"], moment: Moment, cards: PastCards) {
    this.#log = log
    this.moment = moment
    this.#cards = cards
  }

  /** Folds the log up to a moment. */
  static readonly at = Effect.fnUntraced(function* (log: EventLog["Service"], moment: Moment) {
    const cards = new PastCards()
    yield* Stream.runForEachArray(foldCards(log, moment.position), (folded) =>
      Effect.sync(() => {
        for (const each of folded) cards.add(each)
      })
    )
    cards.countUnmet()
    return new PastBacklog(log, moment, cards)
  })

  /** The card with an id, if it existed. */
  get(id: CardId): Effect.Effect<Option.Option<Card>, ReadFailure> {
    if (this.#cards.get(id) === undefined) return Effect.succeedNone
    return Effect.map(
      Stream.runHead(foldCards(this.#log, this.moment.position, [id])),
      Option.map(({ card }) => card)
    )
  }

  /** Cards in the order of the filter, read from the log as they are taken. */
  cards(filter: PastListFilter = {}): Stream.Stream<Card, ReadFailure> {
    return foldPages(this.#inOrder(filter), (page) =>
      Effect.map(Stream.runCollect(foldCards(this.#log, this.moment.position, page)), (folded) => {
        const cards = new Map(folded.map(({ card }) => [card.id, card]))
        return page.flatMap((id) => cards.get(id) ?? [])
      })
    )
  }

  /** The counts. */
  get stats(): Stats {
    const counts: Record<Status, number> = { ready: 0, claimed: 0, blocked: 0, done: 0 }
    let claimable = 0
    let waiting = 0
    let expiredClaimCount = 0
    let oldest = Number.POSITIVE_INFINITY
    const { now } = this.moment
    for (const card of this.#cards) {
      counts[card.status]++
      if (this.#isClaimable(card)) claimable++
      if (isExpired(card, now)) expiredClaimCount++
      if (card.status === "ready") {
        if (card.unmetDependencies > 0) waiting++
        oldest = Math.min(oldest, card.createdAtMillis)
      }
    }
    return {
      counts,
      total: this.#cards.size,
      claimable,
      waiting,
      oldestReadyAgeSeconds: Number.isFinite(oldest) ? (DateTime.toEpochMillis(now) - oldest) / 1000 : null,
      expiredClaimCount
    }
  }

  /** Why a card could or could not be claimed, if it existed. */
  explain(id: CardId): Effect.Effect<Option.Option<Explanation>, ReadFailure> {
    return Effect.map(
      this.get(id),
      Option.map((card) => explain(card, this.#unmet(card), this.moment.now))
    )
  }

  #unmet(card: Card): ReadonlyArray<UnmetDependency> {
    return unmetOf(card, (id) => this.#cards.statusOf(id))
  }

  #isClaimable(card: PastCard): boolean {
    return isClaimable(card, card.unmetDependencies, this.moment.now)
  }

  #isClaimability(card: PastCard, claimability: Claimability): boolean {
    const { now } = this.moment
    switch (claimability) {
      case "claimable":
        return this.#isClaimable(card)
      case "waiting":
        return card.status === "ready" && card.unmetDependencies > 0
      case "deferred":
        return card.status === "ready" && card.unmetDependencies === 0 && !isDue(card.notBefore, now)
      case "expired":
        return isExpired(card, now)
    }
  }

  #inOrder(filter: PastListFilter): ReadonlyArray<CardId> {
    const { changedAfter, claimability, labels, limit, maxPriority, minPriority, owner, withoutLabels } = filter
    const place = filter.after ?? filter.before
    const placeCard = place === undefined ? undefined : this.#cards.get(place)
    if (place !== undefined && placeCard === undefined) return none
    const compare = comparisons[filter.order ?? "claim"]
    const statuses = filter.status === undefined ? undefined : toArray(filter.status)
    const phases = filter.phase === undefined ? undefined : toArray(filter.phase)
    const isBackward = filter.after === undefined && placeCard !== undefined
    const wanted: Array<PastCard> = []
    for (const card of this.#cards) {
      const fromPlace = placeCard === undefined ? 1 : compare(card, placeCard)
      if (
        (statuses === undefined || statuses.includes(card.status)) &&
        (phases === undefined || (card.phase !== null && phases.includes(card.phase))) &&
        (claimability === undefined || this.#isClaimability(card, claimability)) &&
        matchesFilter(card, { labels, minPriority, withoutLabels }) &&
        (maxPriority === undefined || card.priority <= maxPriority) &&
        (owner === undefined || card.owner === owner) &&
        (changedAfter === undefined || card.position > changedAfter) &&
        (filter.order !== "completed" || card.completedAtMillis !== null) &&
        (isBackward ? fromPlace < 0 : fromPlace > 0)
      ) {
        wanted.push(card)
      }
    }
    const sorted = wanted.sort(compare)
    const page = isBackward && limit !== undefined ? sorted.slice(-limit) : sorted.slice(0, limit)
    return page.map(({ id }) => id)
  }
}

const descending = (field: "createdAtMillis" | "completedAtMillis") => (left: PastCard, right: PastCard) =>
  (right[field] ?? 0) - (left[field] ?? 0) || compareIds(right.id, left.id)

const comparisons: Readonly<Record<ListOrder, (left: PastCard, right: PastCard) => number>> = {
  claim: compareRanks,
  changed: (left, right) => right.position - left.position,
  created: descending("createdAtMillis"),
  completed: descending("completedAtMillis")
}

/** The dependencies that a card waits for, in the order of ids, given the status of every card that exists. */
const unmetOf = (card: Card, statusOf: (id: CardId) => Status | undefined): ReadonlyArray<UnmetDependency> =>
  card.dependsOn
    .filter((id) => statusOf(id) !== "done")
    .sort(compareIds)
    .map((id) => ({ id, status: statusOf(id) ?? null }))

/** Why a card could or could not be claimed at a moment, from its own events and those of its dependencies. */
export const explainAt = Effect.fnUntraced(function* (log: EventLog["Service"], moment: Moment, id: CardId) {
  const found = yield* Stream.runHead(foldCards(log, moment.position, [id]))
  if (Option.isNone(found)) return Option.none<Explanation>()
  const { card } = found.value
  const statusById = new Map<CardId, Status>()
  if (card.dependsOn.length > 0) {
    yield* Stream.runForEach(foldCards(log, moment.position, card.dependsOn), (folded) =>
      Effect.sync(() => statusById.set(folded.card.id, folded.card.status))
    )
  }
  return Option.some(
    explain(
      card,
      unmetOf(card, (other) => statusById.get(other)),
      moment.now
    )
  )
})
