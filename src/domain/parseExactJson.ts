import { Result, type Schema } from "effect"
import { redactSecrets } from "./redactSecrets.ts"

/** Why a text is not JSON that can be kept as it stands, and where. */
export interface JsonProblem {
  /** The first character is 1. */
  readonly at: number
  /** The value that is wrong, as a JSON Pointer; empty for the whole text. */
  readonly pointer: string
  readonly problem: string
}

/** A problem in a sentence, after "it is not JSON that can be kept: ". Names of keys have no secrets. */
export const describeJsonProblem = ({ at, pointer, problem }: JsonProblem): string =>
  redactSecrets(`at character ${at}${pointer === "" ? "" : `, in ${pointer}`}, ${problem}`)

/**
 * Reads JSON and loses nothing of it. Refused, with the place, besides what is not JSON:
 *
 * - a number that would come back with another value: one whose nearest double, written with the fewest digits that
 *   name it, is another decimal number than the one that stands there (12345678901234567890, 1e400, 1e-400);
 * - a key that an object has twice.
 */
export const parseExactJson = (text: string): Result.Result<Schema.Json, JsonProblem> => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // What is wrong is found below.
  }
  if (value !== undefined && exactMembers(text) === membersIn(value)) return Result.succeed(value as Schema.Json)
  const found = findProblem(text)
  return found === undefined ? Result.succeed(value as Schema.Json) : Result.fail({ ...found, at: found.at + 1 })
}

const quote = 0x22
const backslash = 0x5c

/**
 * How many members the objects of a JSON text have, the second one of the same name included, by the colons outside of
 * strings; -1 where a number would be changed. One pass that compares characters: this decides whether the slow search for
 * a problem is needed.
 */
const exactMembers = (text: string): number => {
  const { length } = text
  let members = 0
  for (let at = 0; at < length; at++) {
    const code = text.charCodeAt(at)
    if (code === quote) {
      at = closingQuote(text, at)
    } else if (code === 0x3a) {
      members++
    } else if ((code >= 0x30 && code <= 0x39) || code === 0x2d) {
      const start = at
      let hasExponent = false
      for (let next = text.charCodeAt(at + 1); isOfNumber(next); next = text.charCodeAt(at + 1)) {
        at++
        if (next > 0x39) hasExponent = true
      }
      if ((at - start >= fewestInexact || hasExponent) && !isExact(text.slice(start, at + 1))) return -1
    }
  }
  return members
}

/** Up to 15 digits a double keeps whatever they are. */
const fewestInexact = 15

/** A digit, a sign, a point, or the letter of an exponent, which is the only one above the digits. */
const isOfNumber = (code: number): boolean =>
  (code >= 0x30 && code <= 0x39) || code === 0x2e || code === 0x2d || code === 0x65 || code === 0x45 || code === 0x2b

/** Where the string of a valid text ends that begins at `start`. */
const closingQuote = (text: string, start: number): number => {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let before = end - 1
    while (text.charCodeAt(before) === backslash) before--
    if ((end - before) % 2 === 1) return end
  }
  return text.length
}

/** How many members the objects in a value have. With a stack of its own, as a value may nest deeper than the program's. */
const membersIn = (root: unknown): number => {
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

/** Up to 15 digits a double keeps whatever they are; the database writes numbers without exponents. */
const manyDigits = /\d[\d.]{15,}/

/** Whether JSON in the database holds a number that is not the one that every reader sees. */
export const hasInexactNumber = (data: string): boolean =>
  manyDigits.test(data) && Result.isFailure(parseExactJson(data))

type Container =
  | { readonly kind: "array"; index: number }
  | { readonly kind: "object"; readonly keys: Set<string>; key: string }

const blanks = /[ \t\n\r]*/y
const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const word = /true|false|null/y

/** Walks over the text once, with a stack of its own, so that no nesting can exhaust the program's. */
const findProblem = (text: string): JsonProblem | undefined => {
  const open: Array<Container> = []
  const found = findIn(text, open)
  return found === undefined ? undefined : { ...found, pointer: pointerTo(open) }
}

/** The place of the value that is being read, as a JSON Pointer (RFC 6901). */
const pointerTo = (open: ReadonlyArray<Container>): string => {
  const steps = open.map((container) => String(container.kind === "array" ? container.index : container.key))
  const shown = steps.length > 20 ? [...steps.slice(0, 20), "…"] : steps
  return shown.map((step) => `/${shortened(step).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("")
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
    const end = endOfString(text, at)
    if (typeof end !== "number") return end
    at = end
    const name = JSON.parse(text.slice(start, end)) as string
    container.key = name
    if (container.keys.has(name))
      return { at: start, problem: `the key ${JSON.stringify(name.slice(0, 100))} is there twice` }
    container.keys.add(name)
    return take(":") ? undefined : expected("a colon")
  }

  /** Reads a value, or the beginning of one that holds others: `undefined` when it is complete. */
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
      const end = endOfString(text, at)
      if (typeof end !== "number") return end
      at = end
      return undefined
    }
    if (match(word) !== undefined) return undefined
    const digits = match(number)
    if (digits === undefined) return expected("a value")
    return isExact(digits)
      ? undefined
      : { at: start, problem: `the number ${shortened(digits)} would be changed: write it as a string` }
  }

  for (;;) {
    let outcome = value()
    while (outcome === "opened") outcome = value()
    if (outcome !== undefined) return outcome
    // A value is complete: so may be what holds it.
    for (;;) {
      const top = open.at(-1)
      if (top === undefined) {
        match(blanks)
        return at === text.length ? undefined : { at, problem: "it goes on after the end of the value" }
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

/** Where the string that begins at `start` ends, after its closing quote. */
const endOfString = (text: string, start: number): number | Found => {
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 0x22) return at + 1
    if (code < 0x20) return { at, problem: "a control character stands in a string without being escaped" }
    if (code === 0x5c) {
      const escape = /^(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/.exec(text.slice(at + 1, at + 6))?.[0]
      if (escape === undefined) return { at, problem: "a backslash is followed by what is no escape" }
      at += escape.length
    }
  }
  return { at: text.length, problem: "it ends inside a string" }
}

const isExact = (digits: string): boolean => {
  const value = Number(digits)
  const shown = String(value)
  return shown === digits || (Number.isFinite(value) && decimal(digits) === decimal(shown))
}

/** A decimal number in one way only: its digits without leading and trailing zeros, and the power of ten of the last. */
const decimal = (text: string): string => {
  const [, sign = "", whole = "", fraction = "", exponent = "0"] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? []
  const digits = `${whole}${fraction}`.replace(/^0+/, "")
  const significant = withoutTrailingZeros(digits)
  if (significant === "") return "0"
  return `${sign}${significant}e${Number(exponent) - fraction.length + digits.length - significant.length}`
}

/** By hand: a pattern that looks for the end of the digits from every zero takes quadratic time. */
const withoutTrailingZeros = (digits: string): string => {
  let end = digits.length
  while (end > 0 && digits[end - 1] === "0") end--
  return digits.slice(0, end)
}

const shortened = (text: string): string => (text.length > 40 ? `${text.slice(0, 37)}…` : text)
