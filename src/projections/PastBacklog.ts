import { DateTime, Effect, Option, Stream } from "effect"
import type { SqlError } from "effect/sql"
import type { Card, Status } from "../domain/Card.ts"
import { type CardId, compareIds } from "../domain/CardId.ts"
import type { Claimability, ListOrder } from "../domain/CardFilter.ts"
import type { GraphCard, Impact, Neighbourhood } from "../domain/CardGraph.ts"
import { explain, type Explanation, type UnmetDependency } from "../domain/Explanation.ts"
import type { Stats } from "../domain/Stats.ts"
import type { EventLog } from "../events/EventLog.ts"
import { CardColumns, type PastState, toPart } from "./CardColumns.ts"
import { foldCards, foldPages, type ReadFailure, withoutTexts } from "./foldCards.ts"
import type { Keyframes } from "./Keyframes.ts"
import { decodePart, done as doneStatus, encodePart, statusNumbers } from "./keyframeCodec.ts"
import { type ListFilter, toArray } from "./listQueries.ts"
import type { ChainFilter, DependentsFilter, NeighbourhoodFilter } from "./graphQueries.ts"
import { PastGraph } from "./PastGraph.ts"
import type { Changes, PastWindow } from "./PastWindow.ts"

/** The cards of a moment to list, and in which order. Words are only searched in the present. */
export type PastListFilter = Omit<ListFilter, "text" | "isSummary">

/** A moment of the past: the state after an event, and the time of the database's clock. */
export interface Moment {
  /** The position of the last event; 0 before the first. */
  readonly position: number
  /** The time by which leases and retry times are judged. */
  readonly now: DateTime.Utc
}

/** Cards that are encoded at once where the log is read instead of a keyframe. */
const cardsAtOnce = 16_384

/** Folds the log up to a position into columns. It is read card by card, in the order of ids, and the cards are sorted afterwards. */
const foldColumns = Effect.fnUntraced(function* (log: EventLog["Service"], position: number) {
  const byId = new CardColumns(0)
  let pending: Array<PastState> = []
  const append = (
    columns: CardColumns,
    states: ReadonlyArray<PastState>,
    targetOf: (id: CardId) => number | undefined
  ) => {
    const from = columns.count
    const numbered = states.map((state, index) => [from + index, state] as const)
    columns.apply(decodePart(encodePart(toPart(numbered, from, targetOf))))
  }
  // A dependency may be a card that comes later, so all are kept as ids at first.
  const flush = (): void => {
    append(byId, pending, () => undefined)
    pending = []
  }
  yield* Stream.runForEachArray(foldCards(log, position), (folded) =>
    Effect.sync(() => {
      for (const { card, createdPosition, position: last } of folded) {
        pending.push({ card: withoutTexts(card), createdPosition, position: last })
      }
      if (pending.length >= cardsAtOnce) flush()
    })
  )
  flush()
  const order = Uint32Array.from({ length: byId.count }, (_, index) => index).sort(
    (left, right) => (byId.createdPositions[left] as number) - (byId.createdPositions[right] as number)
  )
  const rank = new Uint32Array(order.length)
  for (const [ordinal, index] of order.entries()) rank[index] = ordinal
  const columns = new CardColumns(byId.count)
  for (let from = 0; from < order.length; from += cardsAtOnce) {
    const states = Array.from(order.subarray(from, from + cardsAtOnce), (index) => byId.stateOf(index))
    append(columns, states, (id) => rank[searchId(byId, id)])
    yield* Effect.yieldNow
  }
  columns.position = position
  return columns
})

/** The ordinal of a card in columns that are in the order of ids, or -1. */
const searchId = (byId: CardColumns, id: CardId): number => {
  let low = 0
  let high = byId.count
  while (low < high) {
    const middle = (low + high) >>> 1
    const order = compareIds(byId.idOf(middle), id)
    if (order === 0) return middle
    if (order < 0) low = middle + 1
    else high = middle
  }
  return -1
}

/** Cards that changed after the moment of the columns: 1 in `marks`, or 2 if they are done. */
const changed = 1
const changedAndDone = 2

/**
 * The backlog at a moment. Texts are read from the log when they are requested. The cards come from a keyframe and the events after it,
 * or from the log alone where there is no keyframe.
 */
export class PastBacklog {
  readonly moment: Moment
  readonly stats: Stats
  readonly #log: EventLog["Service"]
  readonly #columns: CardColumns
  readonly #changes: Changes
  readonly #marks: Uint8Array
  readonly #nowMillis: number
  #knownGraph: PastGraph | undefined

  private constructor(log: EventLog["Service"], moment: Moment, columns: CardColumns, changes: Changes) {
    this.#log = log
    this.moment = moment
    this.#columns = columns
    this.#changes = changes
    this.#nowMillis = DateTime.toEpochMillis(moment.now)
    this.#marks = new Uint8Array(changes.count)
    for (const [ordinal, { card }] of changes.states) {
      this.#marks[ordinal] = card.status === "done" ? changedAndDone : changed
    }
    this.stats = this.#count()
  }

  /** Reads the backlog at a moment. */
  static readonly at = Effect.fnUntraced(function* (log: EventLog["Service"], keyframes: Keyframes, moment: Moment) {
    const found: Option.Option<PastWindow> = yield* keyframes.windowAt(moment.position)
    const window = Option.isSome(found) ? found.value : yield* keyframes.keep(yield* foldColumns(log, moment.position))
    return new PastBacklog(log, moment, window.columns, yield* window.changesAt(moment.position))
  })

  /** The card with an id, if it existed. */
  get(id: CardId): Effect.Effect<Option.Option<Card>, ReadFailure> {
    return Effect.map(
      Stream.runHead(foldCards(this.#log, this.moment.position, [id])),
      Option.map(({ card }) => card)
    )
  }

  /** Cards in the order of the filter, read from the log as they are taken. */
  cards(filter: PastListFilter = {}): Stream.Stream<Card, ReadFailure> {
    return Stream.unwrap(
      Effect.map(this.#placeOf(filter), (place) =>
        foldPages(place === none ? [] : this.#inOrder(filter, place), (page) =>
          Effect.map(Stream.runCollect(foldCards(this.#log, this.moment.position, page)), (folded) => {
            const cards = new Map(folded.map(({ card }) => [card.id, card]))
            return page.flatMap((id) => cards.get(id) ?? [])
          })
        )
      )
    )
  }

  /** Why a card could or could not be claimed, if it existed. */
  explain(id: CardId): Effect.Effect<Option.Option<Explanation>, ReadFailure> {
    return explainAt(this.#log, this.moment, id)
  }

  /** The cards that depended on a card, by id; none if it did not exist and no card depended on it. */
  dependents(filter: DependentsFilter): Effect.Effect<Option.Option<ReadonlyArray<GraphCard>>, ReadFailure> {
    return Effect.flatMap(this.#ordinalOf(filter.id), (ordinal) => {
      const found = this.#graph.dependentsOf(ordinal === none ? filter.id : ordinal)
      return ordinal === none && found.length === 0
        ? Effect.succeedNone
        : Effect.asSome(this.#graph.dependents(found, filter))
    })
  }

  /** The cards around a card; none if it did not exist. */
  neighbourhood(filter: NeighbourhoodFilter): Effect.Effect<Option.Option<Neighbourhood>, ReadFailure> {
    return this.#ofCard(filter.id, (ordinal) => this.#graph.neighbourhood(ordinal, filter))
  }

  /** What depended on the completion of a card; none if it did not exist. */
  impact(id: CardId): Effect.Effect<Option.Option<Impact>, ReadFailure> {
    return this.#ofCard(id, (ordinal) => Effect.sync(() => this.#graph.impact(ordinal)))
  }

  /** A longest chain of cards that were open. */
  criticalPath(filter: ChainFilter): Effect.Effect<ReadonlyArray<GraphCard>, ReadFailure> {
    return this.#graph.criticalPath(filter)
  }

  get #graph(): PastGraph {
    return (this.#knownGraph ??= new PastGraph({
      count: this.#changes.count,
      idOf: (ordinal) => this.#idOf(ordinal),
      statusOf: (ordinal) => statusNumbers[this.#statusOf(ordinal)] ?? "ready",
      phaseOf: (ordinal) => this.#phaseOf(ordinal),
      labelsOf: (ordinal) => this.#labelsOf(ordinal),
      isDue: (ordinal) => !(this.#notBeforeOf(ordinal) > this.#nowMillis),
      compareClaimOrder: this.#compare("claim"),
      dependenciesOf: (ordinal) => this.#dependenciesOf(ordinal),
      read: (ids) => foldCards(this.#log, this.moment.position, ids)
    }))
  }

  #ofCard<A, E>(
    id: CardId,
    query: (ordinal: number) => Effect.Effect<A, E>
  ): Effect.Effect<Option.Option<A>, E | SqlError.SqlError> {
    return Effect.flatMap(this.#ordinalOf(id), (ordinal) =>
      ordinal === none ? Effect.succeedNone : Effect.asSome(query(ordinal))
    )
  }

  /** The dependencies of a card, in the order of ids: ordinals, or ids that no card has. */
  #dependenciesOf(ordinal: number): ReadonlyArray<number | CardId> {
    const { ordinals } = this.#changes
    const state = this.#stateOf(ordinal)
    if (state !== undefined) return state.card.dependsOn.map((id) => ordinals.get(id) ?? id)
    const columns = this.#columns
    const targets: Array<number | CardId> = []
    columns.someTarget(ordinal, (target) => {
      targets.push(target >= 0 ? target : (ordinals.get(columns.targetId(target)) ?? columns.targetId(target)))
      return false
    })
    return targets
  }

  /** The ordinal of the card from which a page continues; `none` when it did not exist. */
  #placeOf({ after, before }: PastListFilter): Effect.Effect<number | undefined | typeof none, SqlError.SqlError> {
    const id = after ?? before
    return id === undefined ? Effect.undefined : this.#ordinalOf(id)
  }

  #ordinalOf(id: CardId): Effect.Effect<number | typeof none, SqlError.SqlError> {
    const known = this.#changes.ordinals.get(id)
    if (known !== undefined) return Effect.succeed(known)
    return Effect.map(this.#log.read.createdPositions([id]), (created) => {
      const ordinal = this.#columns.ordinalOf(created.get(id) ?? -1)
      return ordinal < 0 ? none : ordinal
    })
  }

  #count(): Stats {
    const columns = this.#columns
    const nowMillis = this.#nowMillis
    const byStatus = [0, 0, 0, 0]
    let claimable = 0
    let waiting = 0
    let expired = 0
    let oldest = Number.POSITIVE_INFINITY
    for (let ordinal = 0; ordinal < this.#changes.count; ordinal++) {
      const status = this.#statusOf(ordinal)
      byStatus[status] = (byStatus[status] ?? 0) + 1
      if (status === ready) {
        const isWaiting = this.#isWaiting(ordinal)
        if (isWaiting) waiting++
        else if (!(this.#notBeforeOf(ordinal) > nowMillis)) claimable++
        const createdAt =
          ordinal < columns.count ? (columns.createdAt[ordinal] as number) : this.#valueOf(ordinal, "createdAt")
        if (createdAt < oldest) oldest = createdAt
      } else if (status === claimed && this.#expiresAtOf(ordinal) <= nowMillis) expired++
    }
    return {
      counts: Object.fromEntries(
        statusNumbers.map((status, number) => [status, byStatus[number] ?? 0])
      ) as Stats["counts"],
      total: this.#changes.count,
      claimable,
      waiting,
      oldestReadyAgeSeconds: Number.isFinite(oldest) ? (nowMillis - oldest) / 1000 : null,
      expiredClaimCount: expired
    }
  }

  #stateOf(ordinal: number): PastState | undefined {
    return this.#marks[ordinal] === 0 ? undefined : this.#changes.states.get(ordinal)
  }

  #statusOf(ordinal: number): number {
    const state = this.#stateOf(ordinal)
    return state === undefined ? (this.#columns.statuses[ordinal] as number) : statusNumbers.indexOf(state.card.status)
  }

  /** Milliseconds since 1970; NaN for no time. */
  #valueOf(ordinal: number, field: "createdAt" | "completedAt" | "notBefore" | "claimExpiresAt"): number {
    const time = this.#changes.states.get(ordinal)?.card[field] ?? null
    return time === null ? Number.NaN : DateTime.toEpochMillis(time)
  }

  #createdAtOf(ordinal: number): number {
    return this.#marks[ordinal] === 0
      ? (this.#columns.createdAt[ordinal] as number)
      : this.#valueOf(ordinal, "createdAt")
  }

  #completedAtOf(ordinal: number): number {
    return this.#marks[ordinal] === 0
      ? (this.#columns.completedAt[ordinal] as number)
      : this.#valueOf(ordinal, "completedAt")
  }

  #notBeforeOf(ordinal: number): number {
    return this.#marks[ordinal] === 0
      ? (this.#columns.notBefore[ordinal] as number)
      : this.#valueOf(ordinal, "notBefore")
  }

  #expiresAtOf(ordinal: number): number {
    return this.#marks[ordinal] === 0
      ? (this.#columns.expiresAt[ordinal] as number)
      : this.#valueOf(ordinal, "claimExpiresAt")
  }

  #priorityOf(ordinal: number): number {
    return this.#stateOf(ordinal)?.card.priority ?? (this.#columns.priorities[ordinal] as number)
  }

  #positionOf(ordinal: number): number {
    return this.#stateOf(ordinal)?.position ?? (this.#columns.positions[ordinal] as number)
  }

  #idOf(ordinal: number): CardId {
    return this.#stateOf(ordinal)?.card.id ?? this.#columns.idOf(ordinal)
  }

  #labelsOf(ordinal: number): ReadonlyArray<string> {
    return this.#stateOf(ordinal)?.card.labels ?? this.#columns.labelSets[this.#columns.labels[ordinal] as number] ?? []
  }

  #phaseOf(ordinal: number): string | null {
    const state = this.#stateOf(ordinal)
    return state === undefined
      ? (this.#columns.names[this.#columns.phases[ordinal] as number] ?? null)
      : state.card.phase
  }

  #ownerOf(ordinal: number): string | null {
    const state = this.#stateOf(ordinal)
    return state === undefined
      ? (this.#columns.names[this.#columns.owners[ordinal] as number] ?? null)
      : state.card.claimOwner
  }

  #isDone(ordinal: number): boolean {
    const mark = this.#marks[ordinal]
    return mark === 0 ? this.#columns.statuses[ordinal] === doneStatus : mark === changedAndDone
  }

  /** Whether a card has a dependency that is not done or does not exist. */
  #isWaiting(ordinal: number): boolean {
    const state = this.#stateOf(ordinal)
    const { ordinals } = this.#changes
    if (state !== undefined) {
      return state.card.dependsOn.some((id) => {
        const target = ordinals.get(id)
        return target === undefined || !this.#isDone(target)
      })
    }
    const columns = this.#columns
    return columns.someTarget(ordinal, (target) => {
      const found = target >= 0 ? target : ordinals.get(columns.targetId(target))
      return found === undefined || !this.#isDone(found)
    })
  }

  #isClaimability(ordinal: number, claimability: Claimability): boolean {
    const status = this.#statusOf(ordinal)
    switch (claimability) {
      case "claimable":
        return status === ready && !(this.#notBeforeOf(ordinal) > this.#nowMillis) && !this.#isWaiting(ordinal)
      case "waiting":
        return status === ready && this.#isWaiting(ordinal)
      case "deferred":
        return status === ready && this.#notBeforeOf(ordinal) > this.#nowMillis && !this.#isWaiting(ordinal)
      case "expired":
        return status === claimed && this.#expiresAtOf(ordinal) <= this.#nowMillis
    }
  }

  #compare(order: ListOrder): (left: number, right: number) => number {
    const compareId = (left: number, right: number): number => compareIds(this.#idOf(left), this.#idOf(right))
    switch (order) {
      case "claim":
        return (left, right) =>
          this.#priorityOf(right) - this.#priorityOf(left) ||
          this.#createdAtOf(left) - this.#createdAtOf(right) ||
          compareId(left, right)
      case "changed":
        return (left, right) => this.#positionOf(right) - this.#positionOf(left)
      case "created":
        return (left, right) => this.#createdAtOf(right) - this.#createdAtOf(left) || compareId(right, left)
      case "completed":
        return (left, right) => this.#completedAtOf(right) - this.#completedAtOf(left) || compareId(right, left)
    }
  }

  #inOrder(filter: PastListFilter, place: number | undefined): ReadonlyArray<CardId> {
    const {
      changedAfter,
      claimability,
      labels,
      limit,
      maxPriority,
      minPriority,
      order = "claim",
      owner,
      withoutLabels
    } = filter
    const compare = this.#compare(order)
    const statuses =
      filter.status === undefined
        ? undefined
        : new Set<number>(toArray(filter.status).map((status) => statusNumbers.indexOf(status)))
    const phases = filter.phase === undefined ? undefined : new Set<string | null>(toArray(filter.phase))
    const isBackward = filter.after === undefined && place !== undefined
    const isWanted = (ordinal: number): boolean => {
      if (statuses !== undefined && !statuses.has(this.#statusOf(ordinal))) return false
      if (minPriority !== undefined && this.#priorityOf(ordinal) < minPriority) return false
      if (maxPriority !== undefined && this.#priorityOf(ordinal) > maxPriority) return false
      if (changedAfter !== undefined && this.#positionOf(ordinal) <= changedAfter) return false
      if (order === "completed" && Number.isNaN(this.#completedAtOf(ordinal))) return false
      if (phases !== undefined && !phases.has(this.#phaseOf(ordinal))) return false
      if (owner !== undefined && this.#ownerOf(ordinal) !== owner) return false
      if (labels !== undefined || withoutLabels !== undefined) {
        const own = this.#labelsOf(ordinal)
        if (labels !== undefined && !labels.every((label) => own.includes(label))) return false
        if (withoutLabels !== undefined && withoutLabels.some((label) => own.includes(label))) return false
      }
      if (claimability !== undefined && !this.#isClaimability(ordinal, claimability)) return false
      if (place === undefined) return true
      const fromPlace = compare(ordinal, place)
      return isBackward ? fromPlace < 0 : fromPlace > 0
    }
    const best = new Best(isBackward ? (left, right) => compare(right, left) : compare, limit)
    for (let ordinal = 0; ordinal < this.#changes.count; ordinal++) {
      if ((limit === undefined || best.accepts(ordinal)) && isWanted(ordinal)) best.add(ordinal)
    }
    const page = best.sorted()
    if (isBackward) page.reverse()
    return page.map((ordinal) => this.#idOf(ordinal))
  }
}

const ready = statusNumbers.indexOf("ready")
const claimed = statusNumbers.indexOf("claimed")

const none = "none"

/** The first items of an order, found without sorting the others. */
class Best {
  readonly #compare: (left: number, right: number) => number
  readonly #limit: number
  #items: Array<number> = []
  /** The last item that belongs to the first `limit` items so far. */
  #last: number | undefined

  constructor(compare: (left: number, right: number) => number, limit: number | undefined) {
    this.#compare = compare
    this.#limit = limit ?? Number.POSITIVE_INFINITY
  }

  /** Whether an item would be among the first. */
  accepts(item: number): boolean {
    return this.#last === undefined || this.#compare(item, this.#last) < 0
  }

  add(item: number): void {
    this.#items.push(item)
    // Sorting twice as many as are wanted, when that many have come, costs less than keeping them sorted.
    if (this.#items.length >= 2 * this.#limit + 100) this.#cut()
  }

  sorted(): Array<number> {
    this.#cut()
    return this.#items
  }

  #cut(): void {
    this.#items.sort(this.#compare)
    if (this.#items.length < this.#limit) return
    this.#items = this.#items.slice(0, this.#limit)
    this.#last = this.#items.at(-1)
  }
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
