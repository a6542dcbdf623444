import { Effect, Schema, type Stream } from "effect"
import { Card, RecordedEvent } from "../index.ts"
import type { Page } from "./Page.ts"

/** What a command answers: as data for programs, as text for people. Only the one that is asked for is made. */
export interface Reply<E = never, R = never> {
  /** Plain JSON. */
  readonly data: () => unknown
  readonly text: (page: Page) => Effect.Effect<string, E, R>
  /** How the program ends after this answer: with 0 when absent. */
  readonly exitCode?: number
}

/**
 * What a command answers where that may be more than memory holds: printed as it comes, while the backlog is open. Only
 * the one that is asked for is run, and nothing is printed before its first piece is there.
 */
export interface StreamedReply<E = never, R = never> {
  /** Plain JSON, item by item. */
  readonly items: Stream.Stream<unknown, E, R>
  /** Whether items are together one document, an array, or each a document on a line of its own. */
  readonly documents: "one" | "each"
  /** Whole lines. */
  readonly text: (page: Page) => Stream.Stream<string, E, R>
}

/** What a command answers. */
export type Answer<E = never, R = never> = Reply<E, R> | StreamedReply<E, R>

/** An answer whose text takes nothing but the answer. */
export const reply = (data: () => unknown, text: (page: Page) => string): Reply => ({
  data,
  text: (page) => Effect.sync(() => text(page))
})

/** An answer that is a card. */
export const cardReply = (card: Card, text: (page: Page) => string): Reply => reply(() => encodeCard(card), text)

/** A card as JSON. */
export const encodeCard = Schema.encodeSync(Card)

/** Events as JSON. */
export const encodeEvent = Schema.encodeSync(RecordedEvent)

/** Cards as JSON. */
export const encodeCards = Schema.encodeSync(Schema.Array(Card))
