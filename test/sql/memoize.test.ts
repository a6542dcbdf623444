import { describe, expect, it } from "vitest"
import { memoizeLast } from "../../src/sql/memoize.ts"

describe("memoizeLast", () => {
  it("computes again only for another value than the last", () => {
    const computed: Array<number | undefined> = []
    const double = memoizeLast((value: number | undefined) => {
      computed.push(value)
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
    expect(computed).toEqual([undefined, 2, 3, 2])
  })
})
