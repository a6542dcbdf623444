import { describe, expect, it } from "vitest"
import { fits, fromLocalInput, parseChoice, resolveRange, toLocalInput } from "../../src/board/flow/flowRange.ts"

const now = Date.parse("2026-11-30T07:20:30.000Z")
const hour = 3_600_000

describe("the choice of the view Flow", () => {
  it("defaults to the last 7 days by day, without groups", () => {
    const choice = parseChoice({})
    expect(choice).toMatchObject({
      range: { _tag: "Preset", name: "7d" },
      bucket: undefined,
      by: undefined,
      groups: undefined
    })
    expect(resolveRange(choice, now, true)).toEqual({ from: now - 168 * hour, to: undefined, bucket: "day" })
  })

  it.each([
    ["1h", "minute"],
    ["24h", "hour"],
    ["30d", "day"],
    ["1y", "week"]
  ])("of %s has buckets of a %s", (range, bucket) => {
    expect(resolveRange(parseChoice({ range }), now, true).bucket).toBe(bucket)
  })

  it("takes the buckets of the URL, unless there would be more than 1,000", () => {
    expect(resolveRange(parseChoice({ range: "7d", bucket: "hour" }), now, true).bucket).toBe("hour")
    expect(resolveRange(parseChoice({ range: "7d", bucket: "minute" }), now, true).bucket).toBe("day")
    expect(fits("hour", 900 * hour)).toBe(true)
    expect(fits("hour", 1_000 * hour)).toBe(false)
  })

  it("can be a free range, which ends now at the latest", () => {
    const from = "2026-11-29T00:00:00.000Z"
    const ended = parseChoice({ from, to: "2026-11-29T12:00:00.000Z", range: "1h" })
    expect(resolveRange(ended, now, true)).toEqual({
      from: Date.parse(from),
      to: Date.parse(from) + 12 * hour,
      bucket: "hour"
    })
    const future = parseChoice({ from, to: "2100-01-01T00:00:00.000Z" })
    expect(resolveRange(future, now, true)).toMatchObject({ from: Date.parse(from), to: undefined })
    expect(resolveRange(future, now, false)).toMatchObject({ to: now })
  })

  it.each([
    { from: "nonsense" },
    { from: "2026-11-29T00:00:00Z", to: "2026-11-28T00:00:00Z" },
    { range: "2 days", bucket: "year", by: "status", groups: "[1]" },
    { groups: "[" }
  ])("has its defaults for what is not valid: %j", (parameters) => {
    expect(parseChoice(parameters)).toEqual(parseChoice({}))
  })

  it("contains the groups that the reader has chosen, also the one without a name", () => {
    expect(parseChoice({ by: "phase", groups: '["build",null]' })).toMatchObject({
      by: "phase",
      groups: ["build", null]
    })
    expect(parseChoice({ groups: "[]" }).groups).toEqual([])
  })

  it("has local times in its fields", () => {
    const minute = Math.floor(now / 60_000) * 60_000
    expect(fromLocalInput(toLocalInput(now))).toBe(minute)
    expect(fromLocalInput("")).toBeUndefined()
    expect(fromLocalInput("2026-11-30")).toBeUndefined()
  })
})
