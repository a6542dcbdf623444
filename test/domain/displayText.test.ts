import { describe, expect, it } from "vitest"
import { beginningOf, endOf, truncate } from "../../src/domain/displayText.ts"

describe("a truncated text", () => {
  it.each([
    ["a💩b", 4, "a💩b", "a💩b"],
    ["a💩b", 3, "a💩", "💩b"],
    ["a💩b", 2, "a", "b"],
    ["a💩b", 1, "a", "b"],
    ["a💩b", 0, "", ""],
    ["💩", 1, "", ""],
    ["ab", 5, "ab", "ab"]
  ])("the beginning and the end of %s in %i units are whole characters", (text, length, beginning, end) => {
    expect([beginningOf(text, length), endOf(text, length)]).toEqual([beginning, end])
  })

  it("the ellipsis follows a whole character", () => {
    expect(truncate("ab💩c", 4)).toBe("ab…")
  })
})
