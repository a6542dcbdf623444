import { describe, expect, it } from "vitest"
import { Backoff } from "../../../src/services/commands/optimisticDecisions.ts"

describe("the backoff of optimistic decisions", () => {
  /** How many decisions are skipped after each outcome. */
  const skippedAfter = (outcomes: ReadonlyArray<boolean>) => {
    const backoff = new Backoff()
    return outcomes.map((isRight) => {
      backoff.note(isRight)
      let skipped = 0
      while (backoff.skips()) skipped++
      return skipped
    })
  }

  it("skips none after a wrong decision between right ones", () => {
    expect(skippedAfter([true, false, true, false, true])).toEqual([0, 0, 0, 0, 0])
  })

  it("skips twice as many after each further wrong one, and at most 64", () => {
    expect(skippedAfter(Array.from({ length: 10 }, () => false))).toEqual([0, 1, 2, 4, 8, 16, 32, 64, 64, 64])
  })

  it("skips none after a right decision", () => {
    expect(skippedAfter([false, false, false, true, false, false])).toEqual([0, 1, 2, 0, 0, 1])
  })
})
