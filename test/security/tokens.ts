import { assert } from "@effect/vitest"
import { makeTokenSecret } from "../../src/services/access/tokenSecret.ts"

/** A valid token. */
export const { text: token } = makeTokenSecret()

const [, id = "", secret = "", checksum = ""] = token.split("_")

const everyCharacter = (text: string): string =>
  [...text].map((character) => `%${character.charCodeAt(0).toString(16).padStart(2, "0")}`).join("")

/** The token in other encodings. Each reveals enough of the secret to be dangerous. */
export const spellings: ReadonlyArray<readonly [name: string, text: string]> = [
  ["whole", token],
  ["truncated", `mbk_${id}_${secret.slice(0, 40)}`],
  ["in capitals", token.toUpperCase()],
  ["with its underscores percent-encoded", token.replaceAll("_", "%5F")],
  ["percent-encoded", everyCharacter(token)],
  ["percent-encoded twice", encodeURIComponent(everyCharacter(token))],
  ["without its beginning", `${secret}_${checksum}`],
  ["its id and its secret only", `${id}_${secret}`],
  ["with other separators", `mbk-${id}-${secret}-${checksum}`],
  ["with escaped separators", `${id}%5cu005f${secret}`]
]

const decoded = (text: string): string => {
  const plain = text.replace(/%([0-9a-f]{2})/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
  return plain === text ? text.toLowerCase() : decoded(plain)
}

/** Asserts that a text contains no usable part of the secret in any encoding. */
export const hasNoSecret = (text: string, where: string): void => {
  const plain = decoded(text)
  for (let start = 0; start + 16 <= secret.length; start += 8) {
    const at = plain.indexOf(secret.slice(start, start + 16))
    assert.strictEqual(at, -1, `${where}: ${at === -1 ? "" : plain.slice(Math.max(0, at - 200), at + 100)}`)
  }
}
