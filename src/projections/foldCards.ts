import { DateTime, Effect, Result, Stream } from "effect"
import type { Card } from "../domain/Card.ts"
import type { CardId } from "../domain/CardId.ts"
import { evolve } from "../domain/evolve.ts"
import type { UndecodableEvent } from "../events/EventCodec.ts"
import type { EventLog, LogFailure } from "../events/EventLog.ts"
import { decodeStoredEvent, type StoredEvent } from "../events/StoredEvent.ts"

/** Why the past cannot be read: a database failure, a damaged event, or an event that this program does not know. */
export type ReadFailure = UndecodableEvent | LogFailure

/** A card after its events, and the positions of the first and the last of them. */
export interface FoldedCard {
  readonly card: Card
  readonly createdPosition: number
  readonly position: number
}

/**
 * Streams cards as of a position, in the order of ids: all cards, or those of `ids`. Each card is folded from its own events,
 * so memory holds only a few pages of events, whatever the length of the log (decision 9). An event that this program cannot
 * read fails the stream.
 */
export const foldCards = (
  log: EventLog["Service"],
  upTo: number,
  ids?: ReadonlyArray<CardId>
): Stream.Stream<FoldedCard, ReadFailure> =>
  Stream.mapAccumArrayEffect(
    log.streams(upTo, ids),
    (): FoldedCard | undefined => undefined,
    (state, events) =>
      Effect.suspend(() => {
        const finished: Array<FoldedCard> = []
        let folded = state
        for (const stored of events) {
          if (folded !== undefined && folded.card.id !== stored.cardId) {
            finished.push(folded)
            folded = undefined
          }
          const next = foldEvent(folded?.card, stored)
          if (Result.isFailure(next)) return Effect.fail(next.failure)
          if (next.success !== undefined) {
            const createdPosition = folded?.createdPosition ?? stored.position
            folded = { card: next.success, createdPosition, position: stored.position }
          }
        }
        return Effect.succeed([folded, finished] as const)
      }),
    { onHalt: (folded) => (folded === undefined ? [] : [folded]) }
  )

/** Cards that `foldPages` reads at once. */
const cardsPerPage = 500

/** Streams what is read of cards, page by page. A page is read when its first item is taken. */
export const foldPages = <A, E, R>(
  ids: ReadonlyArray<CardId>,
  read: (page: ReadonlyArray<CardId>) => Effect.Effect<ReadonlyArray<A>, E, R>
): Stream.Stream<A, E, R> => {
  const pages = Array.from({ length: Math.ceil(ids.length / cardsPerPage) }, (_, page) =>
    ids.slice(page * cardsPerPage, (page + 1) * cardsPerPage)
  )
  return Stream.mapArrayEffect(Stream.rechunk(Stream.fromIterable(pages), 1), ([page]) =>
    Effect.map(read(page), (items) => items as unknown as readonly [A, ...Array<A>])
  )
}

/** Folds one more stored event of its stream into a card. */
export const foldEvent = (
  card: Card | undefined,
  stored: StoredEvent
): Result.Result<Card | undefined, UndecodableEvent> =>
  Result.map(decodeStoredEvent(stored), (event) =>
    evolve(card, {
      cardId: stored.cardId,
      version: stored.version,
      occurredAt: DateTime.makeUnsafe(stored.occurredAt),
      actor: stored.actor,
      event
    })
  )

/** A card without the texts that only reads of single cards need: it takes little memory. */
export const withoutTexts = (card: Card): Card => ({
  ...card,
  title: "",
  body: null,
  acceptance: null,
  result: null,
  blockedReason: null,
  lastNote: null
})
