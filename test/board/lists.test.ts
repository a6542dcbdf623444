import { describe, expect, it } from "vitest"
import type { CardSummary, Stats } from "../../src/board/api/types.ts"
import { canChangeColumn, columnCounts, columnParameters } from "../../src/board/board/columns.ts"
import { makeLanes } from "../../src/board/board/lanes.ts"
import { listCommandLine } from "../../src/board/board/listCommandLine.ts"
import { topsOf, visibleRows } from "../../src/board/components/visibleRows.ts"
import { parseSearch } from "../../src/board/search/parseSearch.ts"

describe("the rows of a virtual list", () => {
  it.each([
    [0, 100, { first: 0, end: 8 }],
    [1000, 100, { first: 48, end: 58 }],
    [-50, 100, { first: 0, end: 8 }]
  ])("at %d pixels are those that fit into %d pixels, and two more at each end", (top, height, range) => {
    expect(visibleRows(20, top, height)).toEqual(range)
  })

  it("of different heights are found by their tops", () => {
    const heights = [10, 200, 30, 40, 50]
    expect(topsOf(heights)).toEqual([0, 10, 210, 240, 280, 330])
    expect(visibleRows(heights, 220, 10)).toEqual({ first: 0, end: 5 })
    expect(visibleRows(heights, 9999, 10).first).toBe(3)
  })
})

const card = (id: string, fields: Partial<CardSummary>): CardSummary => ({ id, labels: [], ...fields }) as CardSummary

describe("lanes", () => {
  it("group the cards of all columns by name, and those without one at the end", () => {
    const lanes = makeLanes(
      {
        claimable: [card("a", { phase: "b10" }), card("b", { phase: null })],
        done: [card("c", { phase: "b9" }), card("d", { phase: "b10" })]
      },
      "phase"
    )
    expect(lanes.map(({ count, name }) => [name, count])).toEqual([
      ["b9", 1],
      ["b10", 2],
      [null, 1]
    ])
    expect(lanes[1]?.cards.done?.map(({ id }) => id)).toEqual(["d"])
  })

  it("have a card with several labels several times", () => {
    const lanes = makeLanes({ claimable: [card("a", { labels: ["x", "y"] }), card("b", {})] }, "label")
    expect(lanes.map(({ name }) => name)).toEqual(["x", "y", null])
  })
})

describe("a column", () => {
  it("counts each card once", () => {
    const stats: Stats = {
      counts: { ready: 10, claimed: 5, blocked: 2, done: 7 },
      total: 24,
      claimable: 4,
      waiting: 5,
      oldestReadyAgeSeconds: null,
      expiredClaimCount: 2
    }
    expect(columnCounts(stats)).toEqual({
      claimable: 4,
      claimed: 3,
      expired: 2,
      deferred: 1,
      waiting: 5,
      blocked: 2,
      done: 7
    })
  })

  it("asks for its cards with the conditions of the search", () => {
    expect(columnParameters("done", parseSearch("login phase:build -label:ui p<3"))).toMatchObject({
      status: "done",
      order: "completed",
      text: "login",
      phase: ["build"],
      withoutLabels: ["ui"],
      maxPriority: 2
    })
  })

  it("is read again after an event of a type that this page does not know", () => {
    expect(canChangeColumn("blocked", "CardTeleported")).toBe(true)
    expect(canChangeColumn("blocked", "CardClaimed")).toBe(false)
  })
})

describe("the command line of a search", () => {
  it("has its conditions as flags", () => {
    expect(listCommandLine(parseSearch("status:waiting label:ui p>=2"), 12)).toEqual({
      command: "list",
      options: [
        { flag: "claimability", value: "waiting" },
        { flag: "label", value: "ui" },
        { flag: "min-priority", value: "2" },
        { flag: "at", value: "12" }
      ],
      operands: []
    })
  })

  it("searches for words", () => {
    expect(listCommandLine(parseSearch("login status:open"), undefined)).toEqual({
      command: "search",
      options: [
        { flag: "status", value: "ready" },
        { flag: "status", value: "claimed" },
        { flag: "status", value: "blocked" }
      ],
      operands: ["login"]
    })
  })
})
