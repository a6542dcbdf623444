import { Option, Result, Schema, SchemaTransformation } from "effect"
import { storageProblem, utf8Length } from "./Text.ts"

/** How deep a JSON value may nest: well inside what every supported database parses. */
export const maxDepth = 500

/** Bytes of UTF-8 that a JSON value may take. */
export const maxBytes = 1024 * 1024

const tooLarge = `must be at most ${maxBytes} bytes of JSON`

/**
 * A copy of a JSON value, or why it cannot be kept. Every part is read once, so that the copy is what was looked at, also
 * where reading runs code of whoever made the value. Walks with a stack of its own, so that no nesting can exhaust the
 * program's.
 */
const storableCopy = (root: unknown): Result.Result<Schema.Json, string> => {
  let copy: unknown
  const stack: Array<readonly [value: unknown, depth: number, keep: (copied: unknown) => void]> = [
    [root, 0, (copied) => (copy = copied)]
  ]
  let bytes = 0
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const [value, depth, keep] = next
    if (depth > maxDepth) return Result.fail(`must not nest deeper than ${maxDepth} levels`)
    if (typeof value === "string") {
      const problem = storageProblem(value)
      if (problem !== undefined) return Result.fail(problem)
      bytes += utf8Length(value) + 2
      keep(value)
    } else if (typeof value === "number") {
      if (!Number.isFinite(value)) return Result.fail("must not contain NaN or an infinite number")
      bytes += 8
      keep(value === 0 ? 0 : value)
    } else if (typeof value === "boolean" || value === null) {
      bytes += 5
      keep(value)
    } else if (Array.isArray(value)) {
      const { length } = value
      bytes += length + 2
      if (bytes > maxBytes) return Result.fail(tooLarge)
      const array: Array<unknown> = Array.from({ length }, () => null)
      keep(array)
      for (let index = 0; index < length; index++) {
        stack.push([value[index], depth + 1, (copied) => (array[index] = copied)])
      }
    } else if (typeof value === "object" && isPlain(value)) {
      const object: Record<string, unknown> = {}
      keep(object)
      for (const key of Object.keys(value)) {
        const problem = storageProblem(key)
        if (problem !== undefined) return Result.fail(problem)
        bytes += utf8Length(key) + 4
        if (bytes > maxBytes) return Result.fail(tooLarge)
        // In its place now, so that the members keep their order; `__proto__` is a name like any other.
        Object.defineProperty(object, key, { value: null, enumerable: true, configurable: true, writable: true })
        const put = (copied: unknown) => Object.defineProperty(object, key, { value: copied })
        stack.push([(value as Record<string, unknown>)[key], depth + 1, put])
      }
    } else {
      return Result.fail("must be JSON: null, true, false, a number, a string, an array or a plain object")
    }
    if (bytes > maxBytes) return Result.fail(tooLarge)
  }
  return Result.succeed(copy as Schema.Json)
}

/** In place of a value that could not be copied, since looking at it once more might find something else. */
class Uncopied {
  readonly problem: string

  constructor(problem: string) {
    this.problem = problem
  }
}

/** Says why a JSON value cannot be kept, or `undefined` when it can. */
export const jsonStorageProblem = (value: unknown): string | undefined =>
  value instanceof Uncopied ? value.problem : Option.getOrUndefined(Result.getFailure(storableCopy(value)))

const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/**
 * Any JSON value that Postgres can keep: no NUL and no lone surrogate in any string or key, finite numbers, at most
 * 1 MiB, at most 500 levels deep. `null` stands for absent.
 */
export const Json = Schema.Unknown.check(
  Schema.makeFilter(jsonStorageProblem, { expected: "JSON that can be stored" })
) as unknown as Schema.Codec<Schema.Json>

/** A JSON value. */
export type Json = Schema.Json

/** The same from outside: decoded to a copy, so that nobody can change what was checked. */
export const JsonInput = Schema.Unknown.pipe(
  Schema.decodeTo(
    Json,
    SchemaTransformation.transform({
      decode: (value: unknown) =>
        Result.getOrElse(storableCopy(value), (problem) => new Uncopied(problem)) as Schema.Json,
      encode: (value): unknown => value
    })
  )
) as unknown as Schema.Codec<Schema.Json>

/** A JSON value as it will be read back: nobody else's to change, and with 0 for -0, which JSON does not tell apart. */
export const copyJson = (value: Json): Json => JSON.parse(JSON.stringify(value)) as Json

/** Whether two JSON values are the same, whatever the order of their keys. */
export const jsonEquals = (left: unknown, right: unknown): boolean => {
  if (left === right) return true
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) return false
  if (Array.isArray(left) !== Array.isArray(right)) return false
  const keys = Object.keys(left)
  return (
    keys.length === Object.keys(right).length &&
    keys.every(
      (key) =>
        Object.hasOwn(right, key) &&
        jsonEquals((left as Record<string, unknown>)[key], (right as Record<string, unknown>)[key])
    )
  )
}
