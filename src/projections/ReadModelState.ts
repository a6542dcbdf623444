import { DateTime } from "effect"
import { addToAttempts, type Attempts, noAttempts } from "../domain/Attempts.ts"
import type { StreamEvent } from "../domain/evolve.ts"
import type { Card, Status } from "../domain/Card.ts"
import { type CardId, compareIds } from "../domain/CardId.ts"
import { compareClaimOrder, isExpired } from "../domain/Claimability.ts"
import type { BacklogView } from "../domain/Decision.ts"
import { type CardCounts, CardTally } from "./CardCounts.ts"
import type { RowChange } from "./rowChanges.ts"

/** The facts of a card that counters, and the claimability of other cards, depend on. */
export interface CardSummary {
  readonly status: Status
  readonly notBefore: DateTime.Utc | null
  readonly unmetDependencies: number
}

/**
 * The read model in memory, or the part of it that was loaded. Decisions read it, and row changes are applied to it. The same
 * changes applied to the tables lead to the same read model in the database.
 */
export class ReadModelState implements BacklogView {
  /** The generation that new claims get. Defaults to 0. */
  readonly generation: number
  readonly #cards = new Map<CardId, Card>()
  readonly #summaries = new Map<CardId, CardSummary>()
  readonly #idsByKey = new Map<string, CardId>()
  /** Edges of cards that are not loaded in full. */
  readonly #edges = new Map<CardId, Set<CardId>>()
  readonly #dependents = new Map<CardId, Set<CardId>>()
  readonly #attempts = new Map<CardId, Attempts>()
  readonly #lackingAttempts = new Set<CardId>()
  readonly #tally = new CardTally()
  readonly #claimed = new Map<CardId, Card>()
  /** No claim expires before this time, in milliseconds since 1970. */
  #firstExpiry = Infinity
  /** Cards that are no longer candidates of a claim since a change. */
  readonly #excluded = new Set<CardId>()
  #claimOrder: ReadonlyArray<CardId> | undefined
  /** The index in that order of the first card that is not excluded. */
  #firstCandidate = 0

  constructor(generation = 0) {
    this.generation = generation
  }

  /** The changes of the counts by the row changes that were applied. */
  get changedCounts(): CardCounts {
    return this.#tally
  }

  /** Adds a card with its counter. Its edges must be added with `putDependency`. */
  putCard(card: Card, unmetDependencies: number): void {
    const before = this.#cards.get(card.id)
    this.#cards.set(card.id, card)
    if (card.status === "claimed") {
      this.#claimed.set(card.id, card)
      this.#firstExpiry = Math.min(this.#firstExpiry, expiryOf(card))
    } else if (before?.status === "claimed") this.#claimed.delete(card.id)
    if (card.idempotencyKey !== null) this.#idsByKey.set(card.idempotencyKey, card.id)
    this.putSummary(card.id, { status: card.status, notBefore: card.notBefore, unmetDependencies })
    if (before === undefined || compareClaimOrder(before, card) !== 0) this.#claimOrder = undefined
    else this.#updateCandidate(card)
  }

  /** Adds the facts of a card that no command names. */
  putSummary(id: CardId, summary: CardSummary): void {
    this.#summaries.set(id, summary)
  }

  /** Adds an edge, to the graph and to the dependents of its target. */
  putDependency(cardId: CardId, dependsOnId: CardId): void {
    const known = this.#edges.get(cardId)
    if (known !== undefined) known.add(dependsOnId)
    else if (!this.#cards.has(cardId)) this.#edges.set(cardId, new Set([dependsOnId]))
    this.#addDependent(cardId, dependsOnId)
  }

  /** Adds the attempts at a card, which only few commands depend on. */
  putAttempts(id: CardId, attempts: Attempts): void {
    this.#attempts.set(id, attempts)
  }

  /** Adds an event that was decided to the attempts at its card, if these are known. Those at a new card are. */
  recordAttempt(event: Pick<StreamEvent, "cardId" | "event" | "occurredAt">): void {
    const attempts = event.event._tag === "CardCreated" ? noAttempts : this.#attempts.get(event.cardId)
    if (attempts !== undefined) this.#attempts.set(event.cardId, addToAttempts(attempts, event))
  }

  /** The cards on whose attempts a decision depended while they were not known. Unless there are none, it is not valid. */
  get lackingAttempts(): ReadonlySet<CardId> {
    return this.#lackingAttempts
  }

  attemptsAt(id: CardId): Attempts {
    const attempts = this.#attempts.get(id)
    if (attempts === undefined) this.#lackingAttempts.add(id)
    return attempts ?? noAttempts
  }

  apply(change: RowChange): void {
    switch (change._tag) {
      case "CardChanged": {
        const { card } = change
        const before = this.#summaries.get(card.id)
        this.putCard(card, this.unmetDependencies(card.id))
        return this.#count(before, this.#summaries.get(card.id))
      }
      case "DependencyAdded":
        return this.#addDependent(change.cardId, change.dependsOnId)
      case "DependencyRemoved":
        this.#dependents.get(change.dependsOnId)?.delete(change.cardId)
        return
      case "UnmetDependenciesChanged": {
        const before = this.#summaries.get(change.cardId)
        if (before === undefined) return
        const after = { ...before, unmetDependencies: change.unmetDependencies }
        this.#summaries.set(change.cardId, after)
        return this.#count(before, after)
      }
    }
  }

  card(id: CardId): Card | undefined {
    return this.#cards.get(id)
  }

  /** All loaded cards. */
  cards(): Iterable<Card> {
    return this.#cards.values()
  }

  cardWithKey(idempotencyKey: string): Card | undefined {
    const id = this.#idsByKey.get(idempotencyKey)
    return id === undefined ? undefined : this.#cards.get(id)
  }

  summary(id: CardId): CardSummary | undefined {
    return this.#summaries.get(id)
  }

  isDone(id: CardId): boolean {
    return this.#summaries.get(id)?.status === "done"
  }

  exists(id: CardId): boolean {
    return this.#summaries.has(id)
  }

  unmetDependencies(id: CardId): number {
    return this.#summaries.get(id)?.unmetDependencies ?? 0
  }

  dependenciesOf(id: CardId): ReadonlyArray<CardId> {
    return this.#cards.get(id)?.dependsOn ?? [...(this.#edges.get(id) ?? [])]
  }

  dependentsOf(id: CardId): Iterable<CardId> {
    return this.#dependents.get(id) ?? []
  }

  hasDependents(id: CardId): boolean {
    return (this.#dependents.get(id)?.size ?? 0) > 0
  }

  *claimCandidates(now: DateTime.Utc): Iterable<Card> {
    if (this.#claimOrder === undefined) {
      this.#claimOrder = [...this.#cards.values()].sort(compareClaimOrder).map((card) => card.id)
      this.#firstCandidate = 0
    }
    const order = this.#claimOrder
    for (const { id } of this.expiredClaims(now)) this.#readmit(id)
    while (this.#isExcluded(order[this.#firstCandidate])) this.#firstCandidate++
    for (let index = this.#firstCandidate; index < order.length; index++) {
      const card = this.#cards.get(order[index] as CardId)
      if (card !== undefined && !this.#excluded.has(card.id)) yield card
    }
  }

  expiredClaims(now: DateTime.Utc): ReadonlyArray<Card> {
    if (DateTime.toEpochMillis(now) < this.#firstExpiry) return []
    this.#firstExpiry = Infinity
    const expired: Array<Card> = []
    for (const card of this.#claimed.values()) {
      this.#firstExpiry = Math.min(this.#firstExpiry, expiryOf(card))
      if (isExpired(card, now)) expired.push(card)
    }
    return expired.sort((left, right) => compareIds(left.id, right.id))
  }

  #isExcluded(id: CardId | undefined): boolean {
    return id !== undefined && this.#excluded.has(id)
  }

  #readmit(id: CardId): void {
    if (this.#excluded.delete(id)) this.#firstCandidate = 0
  }

  #updateCandidate(card: Card): void {
    if (card.status === "ready") this.#readmit(card.id)
    else this.#excluded.add(card.id)
  }

  #count(before: CardSummary | undefined, after: CardSummary | undefined): void {
    if (before !== undefined) this.#tally.add(before, -1)
    if (after !== undefined) this.#tally.add(after, 1)
  }

  #addDependent(cardId: CardId, dependsOnId: CardId): void {
    const dependents = this.#dependents.get(dependsOnId)
    if (dependents === undefined) this.#dependents.set(dependsOnId, new Set([cardId]))
    else dependents.add(cardId)
  }
}

const expiryOf = (card: Card): number =>
  card.claimExpiresAt === null ? Infinity : DateTime.toEpochMillis(card.claimExpiresAt)
