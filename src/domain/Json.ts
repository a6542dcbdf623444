import { Option, Result, Schema, SchemaTransformation } from "effect"
import { storageProblem, utf8Length } from "./Text.ts"

/** Maximum depth of a JSON value: far below the limits of all supported databases. */
export const maxDepth = 500

/** Maximum size of a JSON value, in bytes of UTF-8. */
export const maxBytes = 1024 * 1024

const tooLarge = `must be at most ${maxBytes} bytes of JSON`

/**
 * Copies a JSON value, or returns why it cannot be stored. Reads each part once: the copy is what was checked, even where
 * reading runs getters of the caller. Calls itself at most `maxDepth` times.
 */
export const copyStorableJson = (root: unknown): Result.Result<Schema.Json, string> => {
  let bytes = 0
  const copy = (value: unknown, depth: number): unknown => {
    if (depth > maxDepth) return new NotStorable(`must not nest deeper than ${maxDepth} levels`)
    if (typeof value === "string") {
      const problem = storageProblem(value)
      if (problem !== undefined) return new NotStorable(problem)
      bytes += utf8Length(value) + 2
    } else if (typeof value === "number") {
      if (!Number.isFinite(value)) return new NotStorable("must not contain NaN or an infinite number")
      bytes += 8
    } else if (typeof value === "boolean" || value === null) {
      bytes += 5
    } else if (Array.isArray(value)) {
      return copyArray(value, depth)
    } else if (typeof value === "object" && isPlain(value)) {
      return copyObject(value as Readonly<Record<string, unknown>>, depth)
    } else {
      return new NotStorable("must be JSON: null, true, false, a number, a string, an array or a plain object")
    }
    if (bytes > maxBytes) return new NotStorable(tooLarge)
    return value === 0 ? 0 : value
  }
  const copyArray = (array: ReadonlyArray<unknown>, depth: number): unknown => {
    const { length } = array
    bytes += length + 2
    if (bytes > maxBytes) return new NotStorable(tooLarge)
    const copied: Array<unknown> = []
    for (let index = 0; index < length; index++) {
      const item = copy(array[index], depth + 1)
      if (item instanceof NotStorable) return item
      copied.push(item)
    }
    return copied
  }
  const copyObject = (object: Readonly<Record<string, unknown>>, depth: number): unknown => {
    const copied: Record<string, unknown> = {}
    for (const key of Object.keys(object)) {
      const problem = storageProblem(key)
      if (problem !== undefined) return new NotStorable(problem)
      bytes += utf8Length(key) + 4
      if (bytes > maxBytes) return new NotStorable(tooLarge)
      const member = copy(object[key], depth + 1)
      if (member instanceof NotStorable) return member
      if (key === "__proto__") {
        // Assigned, it would become the prototype.
        Object.defineProperty(copied, key, { value: member, enumerable: true, configurable: true, writable: true })
      } else copied[key] = member
    }
    return copied
  }
  const copied = copy(root, 0)
  return copied instanceof NotStorable ? Result.fail(copied.problem) : Result.succeed(copied as Schema.Json)
}

/** Why a value cannot be stored. Also replaces such a value: a second check of the value itself could have another result. */
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
