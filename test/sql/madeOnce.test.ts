import { describe, expect, it } from "vitest"
import { memoizeByFlags } from "../../src/sql/memoize.ts"

describe("what is made once", () => {
  it("is made for each combination when it is first asked for", () => {
    const made: Array<string> = []
    const of = memoizeByFlags((left: boolean, right: boolean) => {
      made.push(`${left} ${right}`)
      return {}
    })
    const first = of(true, false)
    expect(of(true, false)).toBe(first)
    expect(of(false, true)).not.toBe(first)
    expect(made).toEqual(["true false", "false true"])
  })
})
