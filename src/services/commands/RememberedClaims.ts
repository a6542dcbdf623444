import { DateTime } from "effect"
import type { Card } from "../../domain/Card.ts"
import type { CardId } from "../../domain/CardId.ts"
import type { RememberedCard } from "../../projections/changeCard.ts"
import { contentSize } from "../../projections/cardLines.ts"

/** Maximum number of claimed cards that are remembered. Beyond it, those that were remembered first are forgotten. */
const maxCards = 256

/** Cards with more characters of content than this are not remembered. */
const maxSize = 16 * 1024

/** The time and the generation of an optimistic decision. */
export interface Moment {
  /** At most the database's time, as long as both clocks run equally fast. */
  readonly now: DateTime.Utc
  readonly generation: number
}

/**
 * The claimed cards without dependencies that this process has changed last, whether there were claimable cards, and the time of the
 * database. What is remembered can be out of date at any moment, so that the database checks it before anything is written.
 */
export class RememberedClaims {
  readonly #claims = new Map<CardId, RememberedCard>()
  #hasClaimed = false
  /** The database's time minus that of `performance.now()`, in milliseconds. */
  #offset: number | undefined
  #generation = 0

  /** Records the generation of the log, and the database's time, as they were before this moment. */
  noteMoment(now: DateTime.Utc, generation: number): void {
    this.#offset = now.epochMilliseconds - performance.now()
    if (generation === this.#generation) return
    this.#generation = generation
    this.#claims.clear()
  }

  /** The time of the database, which is as long after the last recorded one as this process has measured. `undefined` before the first. */
  estimateMoment(override: Date | null): Moment | undefined {
    if (this.#offset === undefined) return undefined
    const now = override === null ? Math.floor(this.#offset + performance.now()) : override.getTime()
    return { now: DateTime.makeUnsafe(now), generation: this.#generation }
  }

  /**
   * Remembers a card after the event at a position of a generation, which is durable, if the card is claimed. Forgets it otherwise. After a
   * restore, the same position can be that of another event, so a card of another generation is not remembered.
   */
  remember(id: CardId, card: Card | undefined, position: number, generation: number): void {
    this.#claims.delete(id)
    if (card?.status !== "claimed" || generation !== this.#generation) return
    this.#hasClaimed = true
    if (!isWorthRemembering(card)) return
    if (this.#claims.size >= maxCards) for (const oldest of this.#claims.keys()) if (this.#claims.delete(oldest)) break
    this.#claims.set(id, { card, position })
  }

  /** Returns what is remembered of a card, and forgets it: a transaction that uses it changes the card, or finds it changed. */
  take(id: CardId): RememberedCard | undefined {
    const claim = this.#claims.get(id)
    if (claim !== undefined) this.#claims.delete(id)
    return claim
  }

  /** Whether a card was claimed since the last call: then there may be others. */
  takeHasClaimed(): boolean {
    const hasClaimed = this.#hasClaimed
    this.#hasClaimed = false
    return hasClaimed
  }
}

const isWorthRemembering = (card: Card): boolean => card.dependsOn.length === 0 && contentSize({ card }) <= maxSize
