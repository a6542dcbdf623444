import { Schema } from "effect"
import { Name } from "./Text.ts"

/**
 * The id of a card: 1 to 200 characters, no control characters, no surrounding white space. The creator of the card chooses it, or
 * the program generates it. It is never reused.
 */
export const CardId = Name.pipe(Schema.brand("CardId"))

/** The id of a card. */
export type CardId = typeof CardId.Type

/** Compares ids by Unicode code point, as the database does with `COLLATE "C"`. */
export const compareIds = (left: string, right: string): number => {
  if (left === right) return 0
  const length = Math.min(left.length, right.length)
  for (let index = 0; index < length; index++) {
    const a = left.charCodeAt(index)
    const b = right.charCodeAt(index)
    if (a !== b) return isSurrogate(a) === isSurrogate(b) ? a - b : isSurrogate(a) ? 1 : -1
  }
  return left.length - right.length
}

/** Whether a UTF-16 unit is half of a character beyond U+FFFF, which sorts after every other unit whatever its number. */
const isSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdfff
