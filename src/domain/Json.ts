import { Schema } from "effect"
import { unstorable, utf8Length } from "./Text.ts"

/** How deep a JSON value may nest: well inside what every supported database parses. */
export const maximumDepth = 500

/** Bytes of UTF-8 that a JSON value may take. */
export const maximumBytes = 1024 * 1024

const tooLarge = `must be at most ${maximumBytes} bytes of JSON`

/**
 * Says why a JSON value cannot be kept, or `undefined` when it can. Walks with a stack of its own, so that no
 * nesting can exhaust the program's.
 */
export const unstorableJson = (root: unknown): string | undefined => {
  const stack: Array<readonly [value: unknown, depth: number]> = [[root, 0]]
  let bytes = 0
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const [value, depth] = next
    if (depth > maximumDepth) return `must not nest deeper than ${maximumDepth} levels`
    if (typeof value === "string") {
      const problem = unstorable(value)
      if (problem !== undefined) return problem
      bytes += utf8Length(value) + 2
    } else if (typeof value === "number") {
      if (!Number.isFinite(value)) return "must not contain NaN or an infinite number"
      bytes += 8
    } else if (typeof value === "boolean" || value === null) {
      bytes += 5
    } else if (Array.isArray(value)) {
      bytes += value.length + 2
      if (bytes > maximumBytes) return tooLarge
      for (let index = 0; index < value.length; index++) stack.push([value[index], depth + 1])
    } else if (typeof value === "object" && isPlain(value)) {
      for (const key of Object.keys(value)) {
        const problem = unstorable(key)
        if (problem !== undefined) return problem
        bytes += utf8Length(key) + 4
        stack.push([(value as Record<string, unknown>)[key], depth + 1])
      }
    } else {
      return "must be JSON: null, true, false, a number, a string, an array or a plain object"
    }
    if (bytes > maximumBytes) return tooLarge
  }
  return undefined
}

const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/**
 * Any JSON value that Postgres can keep: no NUL and no lone surrogate in any string or key, finite numbers, at most
 * 1 MiB, at most 500 levels deep. `null` stands for absent.
 */
export const Json = Schema.Unknown.check(
  Schema.makeFilter(unstorableJson, { expected: "JSON that can be stored" })
) as unknown as Schema.Codec<Schema.Json>

/** A JSON value. */
export type Json = Schema.Json

/** A JSON value as it will be read back: nobody else's to change, and with 0 for -0, which JSON does not tell apart. */
export const copyOf = (value: Json): Json => JSON.parse(JSON.stringify(value)) as Json

/** Whether two JSON values are the same, whatever the order of their keys. */
export const sameJson = (left: unknown, right: unknown): boolean => {
  if (left === right) return true
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) return false
  if (Array.isArray(left) !== Array.isArray(right)) return false
  const keys = Object.keys(left)
  return (
    keys.length === Object.keys(right).length &&
    keys.every(
      (key) =>
        Object.hasOwn(right, key) &&
        sameJson((left as Record<string, unknown>)[key], (right as Record<string, unknown>)[key])
    )
  )
}
