import { isName } from "./Text.ts"
import type { CardId } from "./CardId.ts"

/** Digits and lower-case letters without those that look or sound alike: 0 and o, 1, i and l, u and v. */
const alphabet = "23456789abcdefghjkmnpqrstwxyz"

/** The lengths of the ids that one digest leads to, without the prefix. A longer one is used when the shorter are in use. */
const lengths = [8, 12, 20] as const

/** Maximum number of characters of the prefix of generated ids. */
export const maxIdPrefixLength = 100

/** Whether ids can begin with this prefix. The empty prefix is valid. */
export const isIdPrefix = (prefix: string): boolean => prefix.length <= maxIdPrefixLength && isName(`${prefix}2`)

/**
 * The ids that a card without an id can get, in the order of preference: 8, 12 or 20 characters after the prefix. The same
 * digest, of at least 16 bytes, leads to the same ids. With 1,000,000 cards the first one is in use in one of 500,000 cases.
 */
export const proposeIds = (prefix: string, digest: Uint8Array): ReadonlyArray<CardId> => {
  let rest = digest.reduce((number, byte) => number * 256n + BigInt(byte), 0n)
  let text = ""
  while (text.length < Math.max(...lengths)) {
    text += alphabet[Number(rest % BigInt(alphabet.length))]
    rest /= BigInt(alphabet.length)
  }
  return lengths.map((length) => `${prefix}${text.slice(0, length)}` as CardId)
}
