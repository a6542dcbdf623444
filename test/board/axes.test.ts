import { describe, expect, it } from "vitest"
import { timeTicks, valueTicks } from "../../src/board/flow/axes.ts"
import { linePath, markersPath, nearestIndex } from "../../src/board/flow/lines.ts"

describe("the axis of values", () => {
  it.each([0, 0.2, 1, 3, 7, 29, 100, 4_321, 1e6, 1e9])(
    "has at most 6 ticks from 0 to at least the greatest value %d",
    (max) => {
      for (const unit of ["count", "seconds"] as const) {
        const ticks = valueTicks(unit, max)
        expect(ticks[0]?.value).toBe(0)
        expect(ticks.at(-1)?.value).toBeGreaterThanOrEqual(max)
        expect(ticks.length).toBeGreaterThan(1)
        expect(ticks.length).toBeLessThanOrEqual(7)
        expect(new Set(ticks.map(({ label }) => label))).toHaveLength(ticks.length)
      }
    }
  )

  it("has steps that people count in", () => {
    expect(valueTicks("seconds", 5 * 3_600).map(({ label }) => label)).toEqual(["0s", "1h", "2h", "3h", "4h", "5h"])
    expect(valueTicks("count", 23).map(({ value }) => value)).toEqual([0, 5, 10, 15, 20, 25])
  })
})

describe("the axis of time", () => {
  const from = new Date(2026, 10, 29, 18, 30).getTime()

  it("has full local hours, with the day where it begins", () => {
    const ticks = timeTicks(from, from + 12 * 3_600_000, 6)
    expect(ticks.map(({ value }) => new Date(value).getHours())).toEqual(
      [20, 22, 0, 2, 4, 6].filter((each) => each % 2 === 0)
    )
    expect(ticks.filter(({ day }) => day !== undefined)).toHaveLength(2)
  })

  it("has local midnights from one day on", () => {
    const ticks = timeTicks(from, from + 20 * 86_400_000, 10)
    expect(ticks.length).toBeGreaterThan(5)
    expect(ticks.length).toBeLessThanOrEqual(11)
    expect(ticks.every(({ value }) => new Date(value).getHours() === 0)).toBe(true)
  })

  it.each([0, 1, 60_000, 3_600_000, 400 * 86_400_000, 30 * 365 * 86_400_000])("ends for a range of %d ms", (millis) => {
    expect(timeTicks(from, from + millis, 8).length).toBeLessThanOrEqual(9)
  })

  it("has no ticks for a time that is none", () => {
    expect(timeTicks(Number.NaN, Number.NaN, 8)).toEqual([])
  })
})

describe("a line", () => {
  const placement = { x: (index: number) => index * 10, y: (value: number) => value }

  it("ends at a gap, or spans it", () => {
    expect(linePath([1, 2, null, 4], placement, false)).toBe("M0 1L10 2M30 4")
    expect(linePath([1, 2, null, 4], placement, true)).toBe("M0 1L10 2L30 4")
    expect(linePath([null, null], placement, true)).toBe("")
  })

  it("has a marker at each value without neighbors, and at some of the others", () => {
    const count = (values: ReadonlyArray<number | null>) =>
      markersPath(values, placement, "square").match(/M/g)?.length ?? 0
    expect(count([1, null, 1, null, 1])).toBe(3)
    expect(count([1, 1, 1, 1, 1])).toBe(3)
    expect(count([null])).toBe(0)
  })

  it("finds the value that is nearest to the pointer", () => {
    expect([-5, 4, 6, 14, 99].map((position) => nearestIndex([0, 10, 20], position))).toEqual([0, 0, 1, 1, 2])
    expect(nearestIndex([], 3)).toBeUndefined()
  })
})
