import { describe, expect, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { Json, maxBytes, maxDepth, jsonStorageProblem } from "../../src/domain/Json.ts"
import { jsonArbitrary, manyRuns } from "./arbitraries.ts"

const nested = (levels: number, wrap: (inner: unknown) => unknown): unknown => {
  let value: unknown = 0
  for (let level = 0; level < levels; level++) value = wrap(value)
  return value
}

const inList = (inner: unknown): unknown => [inner]
const inObject = (inner: unknown): unknown => ({ a: inner })

class Point {
  readonly x = 1
}

const cyclicObject = (): unknown => {
  const object: Record<string, unknown> = { a: 1 }
  object["self"] = object
  return object
}

/** A cyclic list with too many paths to visit each. */
const cyclicList = (): unknown => {
  const list: Array<unknown> = []
  for (let count = 0; count < 100; count++) list.push(list)
  return list
}

/** Small in memory, huge as text: every level contains the next one twice. */
const doubling = (levels: number): unknown => nested(levels, (inner) => [inner, inner])

const accepted: ReadonlyArray<readonly [name: string, value: unknown]> = [
  ["null", null],
  ["true", true],
  ["an empty text", ""],
  ["an empty list", []],
  ["an empty object", {}],
  ["an empty key", { "": 1 }],
  ["a tab and a line feed", "a\tb\n"],
  ["characters beyond U+FFFF", { "😀": "😀" }],
  ["the greatest number", Number.MAX_VALUE],
  ["the smallest number", Number.MIN_VALUE],
  ["an object without a prototype", Object.assign(Object.create(null) as object, { a: 1 })],
  ["an own key __proto__", JSON.parse('{"__proto__":{"polluted":true}}')],
  ["keys that objects have anyway", { constructor: 1, toString: 2, hasOwnProperty: 3 }],
  [`lists ${maxDepth} deep`, nested(maxDepth, inList)],
  [`objects ${maxDepth} deep`, nested(maxDepth, inObject)],
  ["a text of just the greatest size", "a".repeat(maxBytes - 2)],
  ["a text of just the greatest size, in letters of three bytes", `${"한".repeat((maxBytes - 4) / 3)}aa`],
  ["the same object in two places", ((shared) => [shared, shared])({ a: 1 })]
]

const nul = "must not contain the NUL character"
const lone = "must not contain a lone surrogate"
const notFinite = "must not contain NaN or an infinite number"
const notJson = "must be JSON"
const tooDeep = `must not nest deeper than ${maxDepth} levels`
const tooLarge = `must be at most ${maxBytes} bytes`

const refused: ReadonlyArray<readonly [name: string, value: unknown, because: string]> = [
  ["NUL in a text", "\u0000", nul],
  ["NUL in a value, deep inside", { a: [{ b: [1, "x\u0000y"] }] }, nul],
  ["NUL in a key, deep inside", { a: [{ "b\u0000": 1 }] }, nul],
  ["NUL under an own key __proto__", JSON.parse('{"__proto__":"\\u0000"}'), nul],
  ["a lone surrogate in a value", { a: ["\ud800"] }, lone],
  ["a lone surrogate in a key", { a: { "\udc00": 1 } }, lone],
  ["NaN", { a: Number.NaN }, notFinite],
  ["infinity", [Number.POSITIVE_INFINITY], notFinite],
  ["minus infinity", [Number.NEGATIVE_INFINITY], notFinite],
  ["undefined", undefined, notJson],
  ["undefined inside", { a: undefined }, notJson],
  ["a hole in a list", [1, , 3], notJson], // oxlint-disable-line no-sparse-arrays
  ["a bigint", { a: 1n }, notJson],
  ["a symbol", { a: Symbol("a") }, notJson],
  ["a function", { a: () => 1 }, notJson],
  ["a Date", { a: new Date(0) }, notJson],
  ["a Map", { a: new Map([["a", 1]]) }, notJson],
  ["a class's instance", { a: new Point() }, notJson],
  ["bytes", { a: new Uint8Array(1) }, notJson],
  ["a number object", { a: Object(1) as unknown }, notJson],
  [`lists ${maxDepth + 1} deep`, nested(maxDepth + 1, inList), tooDeep],
  [`objects ${maxDepth + 1} deep`, nested(maxDepth + 1, inObject), tooDeep],
  ["lists a million deep", nested(1_000_000, inList), tooDeep],
  ["objects a million deep", nested(1_000_000, inObject), tooDeep],
  ["a cyclic object", cyclicObject(), tooDeep],
  ["a cyclic list of many ways", cyclicList(), "must"],
  ["a value whose parts are shared over and over", doubling(100), "must"],
  ["a text one byte too large", "a".repeat(maxBytes - 1), tooLarge],
  ["a text one byte too large, in letters of three bytes", `${"한".repeat((maxBytes - 4) / 3)}aaa`, tooLarge],
  ["a large key", { ["a".repeat(maxBytes)]: 1 }, tooLarge],
  ["a list of holes", Object.assign([], { length: 2 ** 32 - 1 }), tooLarge],
  ["many small values", Array.from({ length: maxBytes / 5 }, () => true), tooLarge],
  ["many small keys", Object.fromEntries(Array.from({ length: maxBytes / 5 }, (_, key) => [key, 1])), tooLarge],
  ["many texts that are too large only together", Array.from({ length: 1_100 }, () => "a".repeat(1_000)), tooLarge]
]

describe("JSON that can be stored", () => {
  it.each(accepted)("accepts %s", (_, value) => {
    expect(jsonStorageProblem(value)).toBeUndefined()
    const decoded = Schema.decodeUnknownResult(Json)(value)
    expect(Result.getOrThrow(decoded)).toBe(value)
  })

  it.each(refused)("rejects %s", (_, value, because) => {
    expect(jsonStorageProblem(value)).toContain(because)
    expect(Result.isFailure(Schema.decodeUnknownResult(Json)(value))).toBe(true)
  })

  it.each(refused)("the schema rejects %s with the reason", (_, value, because) => {
    const decoded = Schema.decodeUnknownResult(Json)(value)
    expect(Result.isFailure(decoded) ? decoded.failure.message : "").toContain(because)
  })

  it.prop(
    "accepts any other JSON",
    [jsonArbitrary],
    ([value]) => {
      expect(jsonStorageProblem(value)).toBeUndefined()
      expect(Schema.is(Json)(value)).toBe(true)
    },
    manyRuns
  )
})
