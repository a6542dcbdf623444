import { Option, Result, Schema, SchemaTransformation } from "effect"
import { storageProblem, utf8Length } from "./Text.ts"

/** Maximum depth of a JSON value: far below the limits of all supported databases. */
export const maxDepth = 500

/** Maximum size of a JSON value, in bytes of UTF-8. */
export const maxBytes = 1024 * 1024

const tooLarge = `must be at most ${maxBytes} bytes of JSON`

/**
 * Copies a JSON value, or returns why it cannot be stored. Reads each part once: the copy is what was checked, even where
 * reading runs getters of the caller. Uses its own stack, so that nesting cannot exhaust the call stack.
 */
export const copyStorableJson = (root: unknown): Result.Result<Schema.Json, string> => {
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
        // Defined at once, so that the members keep their order, and by defineProperty, so that `__proto__` is an ordinary name.
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

/** Replaces a value that cannot be stored, because a second check of the value itself could have another result. */
class NotStorable {
  readonly problem: string

  constructor(problem: string) {
    this.problem = problem
  }
}

/** Returns why a JSON value cannot be stored, or `undefined` when it can. */
export const jsonStorageProblem = (value: unknown): string | undefined =>
  value instanceof NotStorable ? value.problem : Option.getOrUndefined(Result.getFailure(copyStorableJson(value)))

const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/**
 * A JSON value that Postgres can store: no NUL and no lone surrogate in strings and keys, finite numbers, at most 1 MiB, at
 * most 500 levels deep. `null` means absent.
 */
export const Json = Schema.Unknown.check(
  Schema.makeFilter(jsonStorageProblem, { expected: "JSON that can be stored" })
) as unknown as Schema.Codec<Schema.Json>

/** A JSON value. */
export type Json = Schema.Json

/** A JSON value of a caller. Decoded to a copy, so that the caller cannot change it after the check. */
export const JsonInput = Schema.Unknown.pipe(
  Schema.decodeTo(
    Json,
    SchemaTransformation.transform({
      decode: (value: unknown) =>
        Result.getOrElse(copyStorableJson(value), (problem) => new NotStorable(problem)) as Schema.Json,
      encode: (value): unknown => value
    })
  )
) as unknown as Schema.Codec<Schema.Json>

/** Copies a JSON value to the form in which it is read back: JSON has no -0. */
export const copyJson = (value: Json): Json => JSON.parse(JSON.stringify(value)) as Json

/** Whether two JSON values are equal. The order of keys does not matter. */
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
