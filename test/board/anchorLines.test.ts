import { Result } from "effect"
import { describe, expect, it } from "vitest"
import { formatAnchor, parseAnchor, readAnchors } from "../../src/board/trust/anchorLines.ts"
import * as server from "../../src/events/Anchor.ts"

const hash = "0123456789abcdef".repeat(4)
const signature = "A".repeat(86)
const line = (position: number, end = ""): string =>
  `mosaic-backlog-anchor 1 ${position} ${hash} 2026-11-24T12:00:00.000Z${end}`

/** Lines that are anchors, and lines that are nearly anchors. */
const lines = [
  line(0),
  line(12),
  line(12, ` ${signature}`),
  `  ${line(12)}\r`,
  line(Number.MAX_SAFE_INTEGER),
  line(2 ** 53),
  line(12, ` ${signature}B`),
  line(12, " x"),
  line(12, " "),
  "",
  "backlog",
  `mosaic-backlog-anchor 1 012 ${hash} 2026-11-24T12:00:00.000Z`,
  `mosaic-backlog-anchor 1 12 ${hash.toUpperCase()} 2026-11-24T12:00:00.000Z`,
  `mosaic-backlog-anchor 1 12 ${hash} 2026-11-24T12:00:00Z`,
  `mosaic-backlog-anchor 1 12 ${hash} 2026-11-24T13:00:00.000+01:00`,
  `mosaic-backlog-anchor 1 12 ${hash} 2026-13-24T12:00:00.000Z`,
  `mosaic-backlog-anchor 1 12 ${hash} yesterday`,
  `mosaic-backlog-anchor 2 12 ${hash} 2026-11-24T12:00:00.000Z`,
  line(12).slice(0, 60)
]

describe("the page", () => {
  it.each(lines)("reads an anchor exactly as the program does: %j", (text) => {
    const parsed = parseAnchor(text)
    const expected = Result.getOrUndefined(server.parseAnchor(text))
    expect(parsed && formatAnchor(parsed)).toBe(expected && server.formatAnchor(expected))
  })

  it.each([
    line(3),
    `${line(3)}\n`,
    `${line(3)}\n\n${line(9)}\n${line(5)}\n`,
    `${line(3)}\n${line(9).slice(0, 50)}`,
    `${line(3, ` ${signature}`)}\n${line(9)}`,
    `${line(3)}\nx\n${line(9)}\n`,
    line(3).slice(0, 50),
    "\n\n"
  ])("reads an anchor file exactly as the program does: %j", (text) => {
    const read = readAnchors(text)
    const expected = Result.getOrUndefined(server.parseAnchors(text))
    const newest = server.newestAnchor(expected?.anchors ?? [])
    const found = read._tag === "Anchor" ? [formatAnchor(read.anchor), read.count, read.isTruncated] : undefined
    expect(found).toEqual(newest && [server.formatAnchor(newest), expected?.anchors.length, expected?.isTruncated])
  })

  it("says which line of a file is no anchor", () => {
    expect(readAnchors(`${line(3)}\nx\n`)).toEqual({
      _tag: "Refused",
      problem: expect.stringMatching(/^Line 2 is not an anchor/)
    })
    expect(readAnchors("x")).toEqual({ _tag: "Refused", problem: expect.stringMatching(/^The text is not an anchor/) })
  })
})
