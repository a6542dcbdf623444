import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { formatDuration } from "../../src/cli/moments.ts"
import { makeTableWriter, formatTable } from "../../src/cli/table.ts"
import { truncate, escapeLines, escapeLine, pad, textStyleOf, displayWidth } from "../../src/cli/terminalText.ts"

const page = (columns: number | undefined, env: Record<string, string> = {}) =>
  textStyleOf(
    {
      write: () => {},
      drain: Effect.void,
      isTerminal: columns !== undefined,
      size: () => ({ columns: columns ?? 0, rows: 24 })
    },
    env
  )

describe("text for a terminal", () => {
  it("control characters are escaped", () => {
    assert.strictEqual(escapeLine("a\u001b[31mb\u0007\nc\td\u009b2J"), "a\\x1b[31mb\\x07\\nc\\td\\x9b2J")
    assert.strictEqual(escapeLine("\u202egnp.exe\u2066"), "\\u202egnp.exe\\u2066")
    assert.strictEqual(escapeLines("a\r\nb\n\tc\u001b]0;x\u0007\r"), "a\nb\n\tc\\x1b]0;x\\x07\\r")
    assert.strictEqual(escapeLine("plain – ünïcode 漢字 👩‍👩‍👧"), "plain – ünïcode 漢字 👩‍👩‍👧")
  })

  it("text is measured in columns and truncated between characters", () => {
    assert.strictEqual(displayWidth("漢字"), 4)
    assert.strictEqual(truncate("漢字仮名", 5), "漢字…")
    assert.strictEqual(truncate("e\u0301e\u0301e\u0301", 2), "e\u0301…")
    assert.strictEqual(truncate("abc", 3), "abc")
    assert.strictEqual(pad("漢", 4), "漢  ")
    assert.strictEqual(pad("7", 3, "right"), "  7")
  })

  it("a duration has its two largest units", () => {
    assert.strictEqual(formatDuration(0.2), "0 seconds")
    assert.strictEqual(formatDuration(61), "1 minute 1 second")
    assert.strictEqual(formatDuration(90_061), "1 day 1 hour")
  })
})

describe("a table", () => {
  const columns = [
    { title: "ID", text: (row: { id: string }) => row.id },
    { title: "TITLE", text: (row: { title: string }) => row.title, minWidth: 5 },
    { title: "EMPTY", text: () => "" },
    { title: "N", text: () => "1", align: "right" as const }
  ]
  const rows = [
    { id: "a", title: "short" },
    { id: "bb", title: "a title that is rather long\u001b[2J" }
  ]

  it("a table without a limit is as wide as its texts", () => {
    assert.deepStrictEqual(formatTable(columns, rows, page(undefined)), [
      "ID  TITLE                               N",
      "a   short                               1",
      "bb  a title that is rather long\\x1b[2J  1"
    ])
  })

  it("a table is truncated to the width", () => {
    for (const columnsOfPage of [20, 24, 31]) {
      for (const line of formatTable(columns, rows, page(columnsOfPage, { NO_COLOR: "1" }))) {
        assert.isAtMost(displayWidth(line), columnsOfPage)
      }
    }
    assert.strictEqual(formatTable(columns, rows, page(20, { NO_COLOR: "1" }))[2], "bb  a title that…  1")
  })
})

describe("a table that is written in chunks", () => {
  type Row = { readonly id: string; readonly late?: string }
  const columns = [
    { title: "ID", text: (row: Row) => row.id },
    { title: "LATE", text: (row: Row) => row.late ?? "" },
    { title: "END", text: () => "." }
  ]

  it("the titles appear once, and columns never become narrower", () => {
    const lines = makeTableWriter(columns, page(undefined))
    assert.deepStrictEqual(lines([{ id: "a" }]), ["ID  END", "a   ."])
    assert.deepStrictEqual(lines([{ id: "longer" }, { id: "b" }]), ["longer  .", "b       ."])
    assert.deepStrictEqual(lines([{ id: "c" }]), ["c       ."])
  })

  it("the titles are repeated only if an empty column gets a text", () => {
    const lines = makeTableWriter(columns, page(undefined))
    assert.deepStrictEqual(lines([{ id: "a" }]), ["ID  END", "a   ."])
    assert.deepStrictEqual(lines([{ id: "b", late: "x" }]), ["ID  LATE  END", "b   x     ."])
    assert.deepStrictEqual(lines([{ id: "c" }]), ["c         ."])
  })
})

describe("colors", () => {
  it("only a terminal gets colors, unless NO_COLOR is set", () => {
    assert.strictEqual(page(80).red("x"), "\u001b[31mx\u001b[0m")
    assert.strictEqual(page(80, { NO_COLOR: "1" }).red("x"), "x")
    assert.strictEqual(page(80, { TERM: "dumb" }).red("x"), "x")
    assert.strictEqual(page(undefined).red("x"), "x")
  })
})
