import { Effect, Stream } from "effect"
import { type CardDiff, diffCard } from "../domain/CardDiff.ts"
import type { EventLog } from "../events/EventLog.ts"
import { foldCards, foldPages, type ReadFailure } from "./foldCards.ts"

/**
 * Streams the cards that have events after one position and up to another, in the order of ids, with their states at both.
 * Reads the events of these cards only, and holds their ids in memory.
 */
export const diffCards = (
  log: EventLog["Service"],
  after: number,
  upTo: number
): Stream.Stream<CardDiff, ReadFailure> =>
  Stream.unwrap(
    Effect.map(log.read.cardsBetween(after, upTo), (ids) =>
      foldPages(
        ids,
        Effect.fnUntraced(function* (page) {
          const earlier = yield* Stream.runCollect(foldCards(log, after, page))
          const before = new Map(earlier.map(({ card }) => [card.id, card]))
          const later = yield* Stream.runCollect(foldCards(log, upTo, page))
          return later.map(({ card }) => diffCard(before.get(card.id) ?? null, card))
        })
      )
    )
  )
