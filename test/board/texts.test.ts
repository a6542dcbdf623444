import { describe, expect, it } from "vitest"
import { narrowBounds, offsetOf, unknownClock } from "../../src/board/api/clockBounds.ts"
import { makeEventParser } from "../../src/board/api/eventLines.ts"
import { directionOf } from "../../src/board/commands/textDirection.ts"
import { eventName } from "../../src/board/components/eventName.ts"
import { formatBriefDuration, formatDuration } from "../../src/board/components/durations.ts"
import { splitLinks } from "../../src/board/components/splitLinks.ts"

describe("a duration", () => {
  it.each([
    [0, "0s", "0s"],
    [59.9, "59s", "59s"],
    [60, "1m 00s", "1m"],
    [843, "14m 03s", "14m"],
    [7200, "2h 00m", "2h"],
    [187_200, "2d 4h", "2d"],
    [-5, "0s", "0s"]
  ])("of %d seconds is %s, or %s where there is little room", (seconds, text, brief) => {
    expect(formatDuration(seconds)).toBe(text)
    expect(formatBriefDuration(seconds)).toBe(brief)
  })
})

describe("links in a text", () => {
  it.each([
    ["see https://example.com/a?b=c.", ["https://example.com/a?b=c"]],
    ["(http://example.com)", ["http://example.com"]],
    ["HTTPS://EXAMPLE.COM x", ["HTTPS://EXAMPLE.COM"]],
    ["javascript:alert(1) data:text/html,x ftp://example.com file:///etc/passwd", []],
    ["<a href='https://example.com'>x</a>", ["https://example.com"]],
    ["https://", []],
    ["https://a\u202eb", ["https://a"]]
  ])("%j are %j", (text, links) => {
    const parts = splitLinks(text)
    expect(parts.filter(({ isLink }) => isLink).map((part) => part.text)).toEqual(links)
    expect(parts.map((part) => part.text).join("")).toBe(text)
  })
})

it("a text has at most 100 links, and stays whole", () => {
  const text = "https://example.com/page and ".repeat(500)
  const parts = splitLinks(text)
  expect(parts.filter(({ isLink }) => isLink)).toHaveLength(100)
  expect(parts.map((part) => part.text).join("")).toBe(text)
})

describe("server-sent events", () => {
  it("are parsed from lines in any portions", () => {
    const parse = makeEventParser()
    expect(parse([": comment", "", "id: 1", "data: a"])).toEqual([])
    expect(parse(["data: b", "", "event: problem\r", "data:c\r", "\r", "data: d"])).toEqual([
      { name: "message", data: "a\nb" },
      { name: "problem", data: "c" }
    ])
    expect(parse([""])).toEqual([{ name: "message", data: "d" }])
  })
})

describe("the server's clock", () => {
  it("is known to a second after one response", () => {
    const bounds = narrowBounds(unknownClock, 10_000, 4_900, 5_000)
    expect(bounds).toEqual({ low: 5_000, high: 6_099 })
    expect(Math.abs(offsetOf(bounds) - 5_500)).toBeLessThan(600)
  })

  it("is known better after more responses", () => {
    // The server is 5,400 ms ahead. Its header has whole seconds.
    const bounds = [0, 370, 740, 1_110, 1_480].reduce((known, local) => {
      const server = Math.floor((local + 5_400) / 1000) * 1000
      return narrowBounds(known, server, local - 5, local + 5)
    }, unknownClock)
    expect(Math.abs(offsetOf(bounds) - 5_400)).toBeLessThan(200)
  })

  it("is learned again after a clock was set", () => {
    const bounds = narrowBounds({ low: 5_000, high: 5_100 }, 100_000, 0, 10)
    expect(bounds.low).toBe(99_990)
  })

  it("is the local one before the first response", () => {
    expect(offsetOf(unknownClock)).toBe(0)
  })
})

describe("the name of an event", () => {
  it.each([
    ["CardNoted", "Noted"],
    ["ClaimRenewed", "Claim renewed"],
    ["CardNextThing", "Next thing"]
  ])("%s is %s", (type, name) => {
    expect(eventName(type)).toBe(name)
  })
})

describe("the direction of a field", () => {
  it("is up to the browser for a short text, and that of the first letter for a long one", () => {
    expect(directionOf("שלום")).toBe("auto")
    expect(directionOf("1. lorem ipsum\n".repeat(1_000))).toBe("ltr")
    expect(directionOf("1. שלום\n".repeat(2_000))).toBe("rtl")
    expect(directionOf("\n".repeat(20_000))).toBe("ltr")
  })
})
