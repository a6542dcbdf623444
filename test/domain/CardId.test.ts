import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { compareIds } from "../../src/domain/CardId.ts"
import { id } from "./support.ts"

/** A second implementation of code point order: UTF-8 bytes sort like code points. */
const compareBytes = (left: string, right: string): number => Buffer.compare(Buffer.from(left), Buffer.from(right))

const expectSameOrder = (left: string, right: string): void => {
  expect(Math.sign(compareIds(id(left), id(right)))).toBe(compareBytes(left, right))
}

/** Texts from few characters of one to four bytes in UTF-8, so that two texts often have a common prefix. */
const Confusable = Schema.Array(
  Schema.Literals(["a", "b", "Z", "é", "߿", "ࠀ", "\ud7ff", "\ue000", "\uffff", "𐀀", "𝒜", "😀", "😁", "\u{10ffff}"])
).check(Schema.isMinLength(1), Schema.isMaxLength(6))

describe("compareIds", () => {
  it.each([
    ["a", "b"],
    ["a", "aa"],
    ["Z", "a"],
    ["10", "9"],
    ["z", "é"],
    ["\uffff", "𐀀"],
    ["a\uffff", "a𐀀"],
    ["\ue000", "\u{10ffff}"],
    ["\ud7ff", "\ue000"],
    ["\ud7ff", "𐀀"],
    ["😀", "😁"],
    ["😀a", "😁"]
  ])("orders %j before %j", (first, second) => {
    expect(compareIds(id(first), id(second))).toBeLessThan(0)
    expect(compareIds(id(second), id(first))).toBeGreaterThan(0)
    expect(compareIds(id(first), id(first))).toBe(0)
    expectSameOrder(first, second)
  })

  it.prop(
    "orders by code point",
    [Confusable, Confusable],
    ([left, right]) => expectSameOrder(left.join(""), right.join("")),
    { arbitrary: { runs: 1_000 } }
  )
})
