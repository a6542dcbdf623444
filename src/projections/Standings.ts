import { DateTime } from "effect"
import type { Card, Status } from "../domain/Card.ts"
import { type CardId, compareIds } from "../domain/CardId.ts"
import type { ClaimRank } from "../domain/Claimability.ts"

/** What orders, filters and counts ask of a card: nothing of its texts. */
export interface Standing extends ClaimRank {
  readonly status: Status
  readonly phase: string | null
  readonly notBefore: DateTime.Utc | null
  readonly claimExpiresAt: DateTime.Utc | null
  readonly unmetDependencies: number
}

const statuses: ReadonlyArray<Status> = ["ready", "claimed", "blocked", "done"]

/**
 * The standings of many cards, some eighty bytes each: a column for each field instead of an object for each card. Cards
 * are added in the order of ids, and found by halving.
 */
export class Standings {
  readonly #ids: Array<CardId> = []
  readonly #priorities: Array<number> = []
  readonly #createdAt: Array<number> = []
  readonly #statuses: Array<number> = []
  readonly #phases: Array<number> = []
  readonly #unmet: Array<number> = []
  readonly #notBefore = new Map<number, DateTime.Utc>()
  readonly #claimExpiresAt = new Map<number, DateTime.Utc>()
  readonly #phaseNames: Array<string> = []
  readonly #phaseNumbers = new Map<string, number>()
  #edges: Array<readonly [index: number, dependsOn: ReadonlyArray<CardId>]> = []

  get size(): number {
    return this.#ids.length
  }

  /** Adds a card, whose id must come after all that are there. */
  add(card: Card): void {
    const index = this.#ids.length
    this.#ids.push(card.id)
    this.#priorities.push(card.priority)
    this.#createdAt.push(DateTime.toEpochMillis(card.createdAt))
    this.#statuses.push(statuses.indexOf(card.status))
    this.#phases.push(card.phase === null ? -1 : this.#phaseNumber(card.phase))
    this.#unmet.push(0)
    if (card.notBefore !== null) this.#notBefore.set(index, card.notBefore)
    if (card.claimExpiresAt !== null) this.#claimExpiresAt.set(index, card.claimExpiresAt)
    if (card.dependsOn.length > 0) this.#edges.push([index, card.dependsOn])
  }

  /** To be called when every card is there: counts unmet dependencies, and forgets the edges. */
  count(): void {
    for (const [index, dependsOn] of this.#edges) {
      this.#unmet[index] = dependsOn.filter((id) => this.statusOf(id) !== "done").length
    }
    this.#edges = []
  }

  get(id: CardId): Standing | undefined {
    const index = this.#indexOf(id)
    return index === undefined ? undefined : this.#at(index)
  }

  statusOf(id: CardId): Status | undefined {
    const index = this.#indexOf(id)
    return index === undefined ? undefined : statuses[this.#statuses[index] ?? -1]
  }

  /** All of them, in the order of ids. */
  *[Symbol.iterator](): Iterator<Standing> {
    for (let index = 0; index < this.#ids.length; index++) yield this.#at(index)
  }

  #at(index: number): Standing {
    const id = this.#ids[index]
    const status = statuses[this.#statuses[index] ?? -1]
    if (id === undefined || status === undefined) throw new Error(`there is no standing ${index}`)
    return {
      id,
      priority: this.#priorities[index] ?? 0,
      createdAtMillis: this.#createdAt[index] ?? 0,
      status,
      phase: this.#phaseNames[this.#phases[index] ?? -1] ?? null,
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

  #phaseNumber(phase: string): number {
    const known = this.#phaseNumbers.get(phase)
    if (known !== undefined) return known
    const number = this.#phaseNames.push(phase) - 1
    this.#phaseNumbers.set(phase, number)
    return number
  }
}
