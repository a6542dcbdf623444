import { DateTime } from "effect"
import type { Card } from "../../domain/Card.ts"
import type { CardId } from "../../domain/CardId.ts"
import type { PendingEvent } from "../../events/eventLines.ts"
import type { RememberedCard } from "../../projections/appendAndProject.ts"
import { contentSize } from "../../projections/cardLines.ts"
import type { LockedState } from "../../projections/lockAndLoad.ts"

/** Maximum number of claimed cards that are remembered. Beyond it, those that were remembered first are forgotten. */
const maxCards = 256

/** Cards with more characters of content than this are not remembered. */
const maxSize = 16 * 1024

/**
 * The claimed cards without dependencies that this process has changed last, and the time of the database. What is remembered can be
 * out of date at any moment, so that the database checks it before anything is written.
 */
export class RememberedClaims {
  readonly #claims = new Map<CardId, RememberedCard>()
  /** The database's time minus that of `performance.now()`, in milliseconds. */
  #offset: number | undefined

  /** Records the database's time, as it was before this moment. */
  noteTime(now: DateTime.Utc): void {
    this.#offset = now.epochMilliseconds - performance.now()
  }

  /**
   * The time of the database, which is that long after the last recorded one as this process has measured: at most the actual time, as
   * long as both clocks run equally fast. `undefined` before the first.
   */
  estimateTime(override: Date | null): DateTime.Utc | undefined {
    if (override !== null) return DateTime.makeUnsafe(override)
    return this.#offset === undefined ? undefined : DateTime.makeUnsafe(Math.floor(this.#offset + performance.now()))
  }

  /** Remembers the claimed cards that the events of a durable transaction have changed, and forgets the others. */
  rememberAfter(
    { generation, state }: LockedState,
    events: ReadonlyArray<Pick<PendingEvent, "cardId" | "version">>,
    lastPosition: number
  ): void {
    events.forEach(({ cardId, version }, index) => {
      const card = state.card(cardId)
      this.#claims.delete(cardId)
      if (card === undefined || card.version !== version || !isWorthRemembering(card)) return
      if (this.#claims.size >= maxCards)
        for (const oldest of this.#claims.keys()) if (this.#claims.delete(oldest)) break
      this.#claims.set(cardId, { card, position: lastPosition - (events.length - 1 - index), generation })
    })
  }

  /** Returns what is remembered of a card, and forgets it: a transaction that uses it changes the card, or finds it changed. */
  take(id: CardId): RememberedCard | undefined {
    const claim = this.#claims.get(id)
    if (claim !== undefined) this.#claims.delete(id)
    return claim
  }
}

const isWorthRemembering = (card: Card): boolean =>
  card.status === "claimed" && card.dependsOn.length === 0 && contentSize({ card }) <= maxSize
