import { Schema } from "effect"
import { Name } from "./Text.ts"

/**
 * A card's id, chosen by whoever creates the card and never used again: 1 to 200 characters, no control characters,
 * no surrounding white space.
 */
export const CardId = Name.pipe(Schema.brand("CardId"))

/** A card's id. */
export type CardId = typeof CardId.Type

/** Orders ids by Unicode code point, as the database does with `COLLATE "C"`. */
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

/** Half of a character beyond U+FFFF: greater than any other UTF-16 unit, although its number is not. */
const isSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdfff
