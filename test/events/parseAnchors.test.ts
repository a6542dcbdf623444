import { DateTime, Result } from "effect"
import { type Anchor, formatAnchor, parseAnchors, newestAnchor } from "../../src/events/Anchor.ts"
import { describe, expect, it } from "vitest"

const anchor = (position: number, signature: string | null = null): Anchor => ({
  position,
  chainHash: String(position % 10).repeat(64),
  at: DateTime.makeUnsafe("2026-01-01T00:00:00.000Z"),
  signature
})
const signed = (position: number) => anchor(position, "x".repeat(86))
const lines = (...anchors: ReadonlyArray<Anchor>) => anchors.map((each) => `${formatAnchor(each)}\n`).join("")
const read = (text: string) => Result.getOrThrow(parseAnchors(text))

describe("a file of anchors", () => {
  it("has an anchor on each line; empty lines and a missing last line feed are accepted", () => {
    const all = [anchor(1), anchor(2)]
    for (const text of [lines(...all), lines(...all).trimEnd(), `\n${lines(...all).replace("\n", "\r\n\n")}`]) {
      expect(read(text)).toEqual({ anchors: all, isTruncated: false })
    }
    expect(read("")).toEqual({ anchors: [], isTruncated: false })
    expect(parseAnchors(`${lines(anchor(1))}what\n${lines(anchor(2))}`)).toMatchObject({ failure: { line: 2 } })
  })

  it("ignores an incomplete last line, wherever it was truncated", () => {
    for (const last of [anchor(2), signed(2)]) {
      const line = formatAnchor(last)
      for (let length = 1; length < line.length; length++) {
        const text = lines(signed(1)) + line.slice(0, length)
        expect([length, read(text)]).toEqual([length, { anchors: [signed(1)], isTruncated: true }])
      }
    }
  })

  it("has its newest anchor at the highest position, not on the last line", () => {
    expect(newestAnchor([])).toBeUndefined()
    expect(newestAnchor([anchor(1), anchor(3), anchor(2)])).toEqual(anchor(3))
    expect(newestAnchor([anchor(3), signed(3)])).toEqual(signed(3))
  })
})
