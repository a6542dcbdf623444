import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { arrayLiteral, nullableArrayLiteral } from "../../src/sql/arrayLiteral.ts"

describe("arrayLiteral", () => {
  it.each<readonly [literal: string, values: Parameters<typeof nullableArrayLiteral>[0]]>([
    ["{}", []],
    ['{"a"}', ["a"]],
    ['{"a","b"}', ["a", "b"]],
    ['{""}', [""]],
    ['{" a "}', [" a "]],
    [String.raw`{"say \"hi\""}`, ['say "hi"']],
    [String.raw`{"back\\slash"}`, ["back\\slash"]],
    [String.raw`{"\\\""}`, [String.raw`\"`]],
    ['{"{a}"}', ["{a}"]],
    ['{"a,b"}', ["a,b"]],
    [`{"it's"}`, ["it's"]],
    ['{"line\nfeed"}', ["line\nfeed"]],
    ['{"é한😀"}', ["é한😀"]],
    ["{NULL}", [null]],
    ['{"NULL"}', ["NULL"]],
    ['{"null",NULL}', ["null", null]],
    ["{1,-2,0.5,1e+21}", [1, -2, 0.5, 1e21]],
    ["{9007199254740993}", [9_007_199_254_740_993n]],
    ["{true,false}", [true, false]],
    ['{"2026-01-05T09:00:00.007Z",NULL}', [new Date(Date.UTC(2026, 0, 5, 9, 0, 0, 7)), null]],
    [String.raw`{"\\x000aff"}`, [new Uint8Array([0, 10, 255])]],
    [String.raw`{"\\x"}`, [new Uint8Array()]],
    ["{1,2}", new Uint8Array([0, 1, 2, 3]).subarray(1, 3)],
    [String.raw`{"\\x0102"}`, [new Uint8Array([0, 1, 2, 3]).subarray(1, 3)]],
    ['{"a","b"}', new Set(["a", "b"])],
    [String.raw`{"{\"a\":\"x\\\"y\",\"b\":\"\\\\\"}"}`, [JSON.stringify({ a: 'x"y', b: "\\" })]]
  ])("makes %s", (literal, values) => {
    expect(nullableArrayLiteral(values)).toBe(literal)
  })

  it("equals nullableArrayLiteral for values that are not null", () => {
    expect(arrayLiteral(["a", 1, true])).toBe(nullableArrayLiteral(["a", 1, true]))
  })

  it.prop(
    "is parsed to the same texts by the rules of Postgres",
    [Schema.Array(Schema.NullOr(Schema.String))],
    ([values]) => {
      expect(read(nullableArrayLiteral(values))).toEqual(values)
    },
    { arbitrary: { runs: 500 } }
  )
})

/** Reads an array of texts as Postgres does: quoted elements with backslash escapes, and bare words. */
const read = (literal: string): ReadonlyArray<string | null> => {
  const elements: Array<string | null> = []
  let at = 1
  while (literal[at] !== "}" || at !== literal.length - 1) {
    if (literal[at] === '"') {
      let element = ""
      for (at++; literal[at] !== '"'; at++) {
        if (literal[at] === "\\") at++
        if (at >= literal.length) throw new Error("an element does not end")
        element += literal[at]
      }
      elements.push(element)
      at++
    } else {
      expect(literal.slice(at, at + 4)).toBe("NULL")
      elements.push(null)
      at += 4
    }
    if (literal[at] === ",") at++
  }
  return elements
}
