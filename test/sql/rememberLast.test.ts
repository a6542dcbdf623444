import { memoizeLast } from "../../src/sql/memoize.ts"
import { expect, it } from "vitest"

it("a function that remembers its last answer asks again only for another value", () => {
  const asked: Array<number | undefined> = []
  const double = memoizeLast((value: number | undefined) => {
    asked.push(value)
    return value === undefined ? undefined : value * 2
  })
  expect([double(undefined), double(undefined), double(2), double(2), double(3), double(2)]).toEqual([
    undefined,
    undefined,
    4,
    4,
    6,
    4
  ])
  expect(asked).toEqual([undefined, 2, 3, 2])
})
