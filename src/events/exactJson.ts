import { Result, type Schema } from "effect"

/** Why a text is not JSON that can be kept as it stands, and where: 1 is the first character. */
export interface JsonProblem {
  readonly at: number
  readonly problem: string
}

/**
 * Reads JSON and loses nothing of it. Refused, with the place, besides what is not JSON:
 *
 * - a number that would come back with another value: one whose nearest double, written with the fewest digits that
 *   name it, is another decimal number than the one that stands there (12345678901234567890, 1e400, 1e-400);
 * - a key that an object has twice.
 */
export const parseExactJson = (text: string): Result.Result<Schema.Json, JsonProblem> => {
  const found = findProblem(text)
  return found === undefined
    ? Result.succeed(JSON.parse(text) as Schema.Json)
    : Result.fail({ at: found.at + 1, problem: found.problem })
}

/** Up to 15 digits a double keeps whatever they are; the database writes numbers without exponents. */
const manyDigits = /\d[\d.]{15,}/

/** Whether JSON in the database holds a number that is not the one that every reader sees. */
export const hasInexactNumber = (data: string): boolean =>
  manyDigits.test(data) && Result.isFailure(parseExactJson(data))

type Container = { readonly kind: "array" } | { readonly kind: "object"; readonly keys: Set<string> }

const blanks = /[ \t\n\r]*/y
const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const word = /true|false|null/y

/** Walks over the text once, with a stack of its own, so that no nesting can exhaust the program's. */
const findProblem = (text: string): JsonProblem | undefined => {
  const open: Array<Container> = []
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
  const expected = (what: string): JsonProblem => {
    match(blanks)
    return at >= text.length
      ? { at, problem: `it ends where ${what} is expected` }
      : { at, problem: `${what} is expected` }
  }

  /** Reads a key and its colon. */
  const key = (keys: Set<string>): JsonProblem | undefined => {
    match(blanks)
    const start = at
    if (text[at] !== '"') return expected("a key in double quotes")
    const end = endOfString(text, at)
    if (typeof end !== "number") return end
    at = end
    const name = JSON.parse(text.slice(start, end)) as string
    if (keys.has(name)) return { at: start, problem: `the key ${JSON.stringify(name.slice(0, 100))} is there twice` }
    keys.add(name)
    return take(":") ? undefined : expected("a colon")
  }

  /** Reads a value, or the beginning of one that holds others: `undefined` when it is complete. */
  const value = (): JsonProblem | "opened" | undefined => {
    match(blanks)
    const start = at
    const first = text[at]
    if (first === "[") {
      at++
      if (take("]")) return undefined
      open.push({ kind: "array" })
      return "opened"
    }
    if (first === "{") {
      at++
      if (take("}")) return undefined
      const keys = new Set<string>()
      open.push({ kind: "object", keys })
      return key(keys) ?? "opened"
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
        const problem = top.kind === "object" ? key(top.keys) : undefined
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
const endOfString = (text: string, start: number): number | JsonProblem => {
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
  return Number.isFinite(value) && decimal(digits) === decimal(String(value))
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
