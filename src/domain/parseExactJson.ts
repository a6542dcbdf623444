import { Result, type Schema } from "effect"
import { truncate } from "./displayText.ts"
import { redactSecrets } from "./redactSecrets.ts"

/** Maximum characters of a key or number in an error. A longer number would be redacted like the secret of a token. */
const maxShown = 38

/** Why a text is not JSON that can be stored exactly, and where. */
export interface JsonProblem {
  /** The number of the character, from 1. */
  readonly at: number
  /** The JSON Pointer of the wrong value; empty for the whole text. */
  readonly pointer: string
  readonly problem: string
}

/** Describes a problem, after "it is not JSON that can be stored: ". Redacts secrets in names of keys. */
export const describeJsonProblem = ({ at, pointer, problem }: JsonProblem): string =>
  redactSecrets(`at character ${at}${pointer === "" ? "" : `, in ${pointer}`}, ${problem}`)

/**
 * Parses JSON without any loss. In addition to text that is not JSON, it rejects:
 *
 * - a number that would be read back with another value: its nearest double, written with the fewest digits that identify
 *   it, is a different decimal number (12345678901234567890, 1e400, 1e-400);
 * - a key that occurs twice in an object.
 */
export const parseExactJson = (text: string): Result.Result<Schema.Json, JsonProblem> => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // `findProblem` below finds the error and its place.
  }
  if (value !== undefined && countMembersIfExact(text) === countMembers(value))
    return Result.succeed(value as Schema.Json)
  const found = findProblem(text)
  return found === undefined ? Result.succeed(value as Schema.Json) : Result.fail({ ...found, at: found.at + 1 })
}

const quote = 0x22
const backslash = 0x5c

/**
 * Counts the members of all objects of a JSON text, including duplicates, by the colons outside of strings. Returns -1 when a
 * number would be changed. One pass over the characters, which decides whether the slow search for a problem is needed.
 */
const countMembersIfExact = (text: string): number => {
  const { length } = text
  let members = 0
  for (let at = 0; at < length; at++) {
    const code = text.charCodeAt(at)
    if (code === quote) {
      at = findClosingQuote(text, at)
    } else if (code === 0x3a) {
      members++
    } else if ((code >= 0x30 && code <= 0x39) || code === 0x2d) {
      const start = at
      let hasExponent = false
      for (let next = text.charCodeAt(at + 1); isNumberPart(next); next = text.charCodeAt(at + 1)) {
        at++
        if (next > 0x39) hasExponent = true
      }
      if ((at - start >= minInexactDigits || hasExponent) && !isExact(text.slice(start, at + 1))) return -1
    }
  }
  return members
}

/** A double represents up to 15 digits exactly. */
const minInexactDigits = 15

/** Whether a character may be part of a number. Only the letter of an exponent has a greater code than the digits. */
const isNumberPart = (code: number): boolean =>
  (code >= 0x30 && code <= 0x39) || code === 0x2e || code === 0x2d || code === 0x65 || code === 0x45 || code === 0x2b

/** The index of the closing quote of the string that begins at `start`, in valid JSON. */
const findClosingQuote = (text: string, start: number): number => {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let before = end - 1
    while (text.charCodeAt(before) === backslash) before--
    if ((end - before) % 2 === 1) return end
  }
  return text.length
}

/** Counts the members of all objects in a value. Uses its own stack, because a value may nest deeper than the call stack. */
const countMembers = (root: unknown): number => {
  let members = 0
  const stack = [root]
  for (let value = stack.pop(); value !== undefined; value = stack.pop()) {
    if (typeof value !== "object" || value === null) continue
    const inside: ReadonlyArray<unknown> = Array.isArray(value) ? value : Object.values(value)
    if (!Array.isArray(value)) members += inside.length
    for (const each of inside) if (typeof each === "object" && each !== null) stack.push(each)
  }
  return members
}

/** A number of more than 15 digits. The database writes numbers without exponents. */
const manyDigitNumber = /\d[\d.]{15,}/

/** Whether JSON in the database contains a number that is read as another one. */
export const hasInexactNumber = (data: string): boolean =>
  manyDigitNumber.test(data) && Result.isFailure(parseExactJson(data))

type Container =
  | { readonly kind: "array"; index: number }
  | { readonly kind: "object"; readonly keys: Set<string>; key: string }

const blanks = /[ \t\n\r]*/y
const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const word = /true|false|null/y

/** Finds the first problem, in one pass and with its own stack, so that nesting cannot exhaust the call stack. */
const findProblem = (text: string): JsonProblem | undefined => {
  const open: Array<Container> = []
  const found = findIn(text, open)
  return found === undefined ? undefined : { ...found, pointer: formatPointer(open) }
}

/** Formats the place of the current value as a JSON Pointer (RFC 6901). */
const formatPointer = (open: ReadonlyArray<Container>): string => {
  const steps = open.map((container) => String(container.kind === "array" ? container.index : container.key))
  const shown = steps.length > 20 ? [...steps.slice(0, 20), "…"] : steps
  return shown.map((step) => `/${truncate(step, maxShown).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("")
}

type Found = Omit<JsonProblem, "pointer">

const findIn = (text: string, open: Array<Container>): Found | undefined => {
  let at = 0
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at
    const matched = pattern.exec(text)?.[0]
    if (matched !== undefined) at += matched.length
    return matched
  }
  const take = (character: string): boolean => {
    match(blanks)
    if (text[at] !== character) return false
    at++
    return true
  }
  const expected = (what: string): Found => {
    match(blanks)
    return at >= text.length
      ? { at, problem: `it ends where ${what} is expected` }
      : { at, problem: `${what} is expected` }
  }

  /** Reads a key and its colon. */
  const key = (container: Container & { readonly kind: "object" }): Found | undefined => {
    match(blanks)
    const start = at
    if (text[at] !== '"') return expected("a key in double quotes")
    const end = findStringEnd(text, at)
    if (typeof end !== "number") return end
    at = end
    const name = JSON.parse(text.slice(start, end)) as string
    container.key = name
    if (container.keys.has(name))
      return { at: start, problem: `the key ${JSON.stringify(name.slice(0, 100))} occurs twice` }
    container.keys.add(name)
    return take(":") ? undefined : expected("a colon")
  }

  /** Reads a value, or the beginning of an array or object. Returns `undefined` when the value is complete. */
  const value = (): Found | "opened" | undefined => {
    match(blanks)
    const start = at
    const first = text[at]
    if (first === "[") {
      at++
      if (take("]")) return undefined
      open.push({ kind: "array", index: 0 })
      return "opened"
    }
    if (first === "{") {
      at++
      if (take("}")) return undefined
      const container = { kind: "object" as const, keys: new Set<string>(), key: "" }
      open.push(container)
      return key(container) ?? "opened"
    }
    if (first === '"') {
      const end = findStringEnd(text, at)
      if (typeof end !== "number") return end
      at = end
      return undefined
    }
    if (match(word) !== undefined) return undefined
    const digits = match(number)
    if (digits === undefined) return expected("a value")
    return isExact(digits)
      ? undefined
      : { at: start, problem: `the number ${truncate(digits, maxShown)} would be changed: write it as a string` }
  }

  for (;;) {
    let outcome = value()
    while (outcome === "opened") outcome = value()
    if (outcome !== undefined) return outcome
    // A value is complete: so the array or object around it may be complete too.
    for (;;) {
      const top = open.at(-1)
      if (top === undefined) {
        match(blanks)
        return at === text.length ? undefined : { at, problem: "there is text after the end of the value" }
      }
      if (take(",")) {
        if (top.kind === "array") top.index++
        const problem = top.kind === "object" ? key(top) : undefined
        if (problem !== undefined) return problem
        break
      }
      if (!take(top.kind === "object" ? "}" : "]")) {
        return expected(top.kind === "object" ? "a comma or }" : "a comma or ]")
      }
      open.pop()
    }
  }
}

/** The index after the closing quote of the string that begins at `start`. */
const findStringEnd = (text: string, start: number): number | Found => {
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 0x22) return at + 1
    if (code < 0x20) return { at, problem: "a string contains an unescaped control character" }
    if (code === 0x5c) {
      const escape = /^(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/.exec(text.slice(at + 1, at + 6))?.[0]
      if (escape === undefined) return { at, problem: "a backslash is not part of a valid escape" }
      at += escape.length
    }
  }
  return { at: text.length, problem: "it ends inside a string" }
}

const isExact = (digits: string): boolean => {
  const value = Number(digits)
  const shown = String(value)
  return shown === digits || (Number.isFinite(value) && normalizeDecimal(digits) === normalizeDecimal(shown))
}

/** Normalizes a decimal number: its digits without leading and trailing zeros, and the power of ten of the last. */
const normalizeDecimal = (text: string): string => {
  const [, sign = "", whole = "", fraction = "", exponent = "0"] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? []
  const digits = `${whole}${fraction}`.replace(/^0+/, "")
  const significant = trimTrailingZeros(digits)
  if (significant === "") return "0"
  return `${sign}${significant}e${Number(exponent) - fraction.length + digits.length - significant.length}`
}

/** A loop, because a regular expression would search from every zero and take quadratic time. */
const trimTrailingZeros = (digits: string): string => {
  let end = digits.length
  while (end > 0 && digits[end - 1] === "0") end--
  return digits.slice(0, end)
}
