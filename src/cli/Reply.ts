import { Effect, Schema } from "effect"
import { Card } from "../index.ts"
import type { Page } from "./Page.ts"

/** What a command answers: as data for programs, as text for people. Only the one that is asked for is made. */
export interface Reply<E = never, R = never> {
  /** Plain JSON. */
  readonly data: () => unknown
  readonly text: (page: Page) => Effect.Effect<string, E, R>
}

/** An answer whose text takes nothing but the answer. */
export const reply = (data: () => unknown, text: (page: Page) => string): Reply => ({
  data,
  text: (page) => Effect.sync(() => text(page))
})

/** An answer that is a card. */
export const cardReply = (card: Card, text: (page: Page) => string): Reply => reply(() => encodeCard(card), text)

/** A card as JSON. */
export const encodeCard = Schema.encodeSync(Card)

/** Cards as JSON. */
export const encodeCards = Schema.encodeSync(Schema.Array(Card))
