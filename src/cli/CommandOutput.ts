import { Effect, Schema, type Stream } from "effect"
import type { TextStyle } from "./terminalText.ts"
import { Card, RecordedEvent } from "../index.ts"

/** The version of what `--json` prints: changed when a field changes its meaning or goes, not when one is added. */
const schemaVersion = 1

/**
 * One JSON document on one line. What a terminal would obey is escaped in it, which changes nothing for who parses it.
 */
export const formatDocument = (content: { readonly data: unknown } | { readonly error: unknown }): string =>
  `${stringify({ schemaVersion, ...content })}\n`

/** The same document where `data` is an array that is written piece by piece, with commas between what is in it. */
export const arrayDocument = {
  begin: `{"schemaVersion":${schemaVersion},"data":[`,
  item: (item: unknown): string => stringify(item),
  end: "]}\n"
} as const

const stringify = (value: unknown): string => JSON.stringify(value).replace(terminalControls, escapeCharacter)

const terminalControls = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g

const escapeCharacter = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`

/** What a command answers: as data for programs, as text for people. Only the one that is asked for is made. */
export interface DocumentOutput<E = never, R = never> {
  /** Plain JSON. */
  readonly data: () => unknown
  readonly text: (style: TextStyle) => Effect.Effect<string, E, R>
  /** How the program ends after this answer: with 0 when absent. */
  readonly exitCode?: number
}

/**
 * What a command answers where that may be more than memory holds: printed as it comes, while the backlog is open. Only
 * the one that is asked for is run, and nothing is printed before its first piece is there.
 */
export interface StreamOutput<E = never, R = never> {
  /** Plain JSON, item by item. */
  readonly items: Stream.Stream<unknown, E, R>
  /** Whether items are together one document, an array, or each a document on a line of its own. */
  readonly documents: "one" | "each"
  /** Whole lines. */
  readonly text: (style: TextStyle) => Stream.Stream<string, E, R>
}

/** What a command answers. */
export type CommandOutput<E = never, R = never> = DocumentOutput<E, R> | StreamOutput<E, R>

/** An answer whose text takes nothing but the answer. */
export const makeOutput = (data: () => unknown, text: (style: TextStyle) => string): DocumentOutput => ({
  data,
  text: (style) => Effect.sync(() => text(style))
})

/** An answer that is a card. */
export const makeCardOutput = (card: Card, text: (style: TextStyle) => string): DocumentOutput =>
  makeOutput(() => encodeCard(card), text)

/** A card as JSON. */
export const encodeCard = Schema.encodeSync(Card)

/** Events as JSON. */
export const encodeEvent = Schema.encodeSync(RecordedEvent)

/** Cards as JSON. */
export const encodeCards = Schema.encodeSync(Schema.Array(Card))
