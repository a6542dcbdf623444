import { DateTime } from "effect"
import type { Card, Status } from "../domain/Card.ts"
import { type CardId, compareIds } from "../domain/CardId.ts"
import { compareClaimOrder, isExpired } from "../domain/Claimability.ts"
import type { BacklogView } from "../domain/Decision.ts"
import { type CardCounts, CardTally } from "./CardCounts.ts"
import type { RowChange } from "./rowChanges.ts"

/** What others' counters and claimability need to know of a card. */
export interface CardSummary {
  readonly status: Status
  readonly notBefore: DateTime.Utc | null
  readonly unmetDependencies: number
}

/**
 * The read model, or the part of it that somebody loaded, in memory: what decisions look at and what row changes are
 * applied to. The same changes applied to the database's tables give the same read model there.
 */
export class ReadModelState implements BacklogView {
  /** The generation that new claims get. Defaults to 0. */
  readonly generation: number
  readonly #cards = new Map<CardId, Card>()
  readonly #standings = new Map<CardId, CardSummary>()
  readonly #idsByKey = new Map<string, CardId>()
  /** Edges of cards that are not held as a whole. */
  readonly #edges = new Map<CardId, Set<CardId>>()
  readonly #dependents = new Map<CardId, Set<CardId>>()
  readonly #tally = new CardTally()
  readonly #claimed = new Map<CardId, Card>()
  /** No claim runs out before that time, in milliseconds since 1970. */
  #firstExpiry = Infinity
  /** Cards that a change took from those that claims may choose from. */
  readonly #taken = new Set<CardId>()
  #claimOrder: ReadonlyArray<CardId> | undefined
  /** Where in that order the first card stands that is not taken. */
  #firstCandidate = 0

  constructor(generation = 0) {
    this.generation = generation
  }

  /** How many more cards of each kind there are by the changes that were applied. */
  get changedCounts(): CardCounts {
    return this.#tally
  }

  /** Puts a whole card in, with its counter. Its edges must be put in beside it. */
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
    else this.#takeOrGiveBack(card)
  }

  /** Puts in what is needed of a card that the commands do not name. */
  putSummary(id: CardId, standing: CardSummary): void {
    this.#standings.set(id, standing)
  }

  /** Puts in an edge, for the graph and as a dependent of its target. */
  putDependency(cardId: CardId, dependsOnId: CardId): void {
    const known = this.#edges.get(cardId)
    if (known !== undefined) known.add(dependsOnId)
    else if (!this.#cards.has(cardId)) this.#edges.set(cardId, new Set([dependsOnId]))
    this.#addDependent(cardId, dependsOnId)
  }

  apply(change: RowChange): void {
    switch (change._tag) {
      case "CardChanged": {
        const { card } = change
        const before = this.#standings.get(card.id)
        this.putCard(card, this.unmetDependencies(card.id))
        return this.#count(before, this.#standings.get(card.id))
      }
      case "DependencyAdded":
        return this.#addDependent(change.cardId, change.dependsOnId)
      case "DependencyRemoved":
        this.#dependents.get(change.dependsOnId)?.delete(change.cardId)
        return
      case "UnmetDependenciesChanged": {
        const standing = this.#standings.get(change.cardId)
        if (standing === undefined) return
        const after = { ...standing, unmetDependencies: change.unmetDependencies }
        this.#standings.set(change.cardId, after)
        return this.#count(standing, after)
      }
    }
  }

  card(id: CardId): Card | undefined {
    return this.#cards.get(id)
  }

  cardWithKey(idempotencyKey: string): Card | undefined {
    const id = this.#idsByKey.get(idempotencyKey)
    return id === undefined ? undefined : this.#cards.get(id)
  }

  summary(id: CardId): CardSummary | undefined {
    return this.#standings.get(id)
  }

  isDone(id: CardId): boolean {
    return this.#standings.get(id)?.status === "done"
  }

  exists(id: CardId): boolean {
    return this.#standings.has(id)
  }

  unmetDependencies(id: CardId): number {
    return this.#standings.get(id)?.unmetDependencies ?? 0
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
    for (const { id } of this.expiredClaims(now)) this.#giveBack(id)
    while (this.#isTaken(order[this.#firstCandidate])) this.#firstCandidate++
    for (let place = this.#firstCandidate; place < order.length; place++) {
      const card = this.#cards.get(order[place] as CardId)
      if (card !== undefined && !this.#taken.has(card.id)) yield card
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

  #isTaken(id: CardId | undefined): boolean {
    return id !== undefined && this.#taken.has(id)
  }

  #giveBack(id: CardId): void {
    if (this.#taken.delete(id)) this.#firstCandidate = 0
  }

  #takeOrGiveBack(card: Card): void {
    if (card.status === "ready") this.#giveBack(card.id)
    else this.#taken.add(card.id)
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
