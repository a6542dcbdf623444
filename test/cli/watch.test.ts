import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { DateTime, Effect, Fiber, Schema } from "effect"
import type { ProcessIO } from "../../src/cli/ProcessIO.ts"
import { type Board, describeBoard } from "../../src/cli/board.ts"
import { run } from "../../src/cli/run.ts"
import { textStyleOf, displayWidth } from "../../src/cli/terminalText.ts"
import { Card } from "../../src/index.ts"
import { cli, documentIn, json, onServer } from "./support.ts"
import { plainCard } from "../support/plainCard.ts"

const now = DateTime.makeUnsafe("2026-01-22T12:00:00Z")

const card = (fields: Partial<typeof Card.Encoded>): Card =>
  Schema.decodeSync(Card)({ ...plainCard, priority: 2, updatedAt: "2026-01-06T09:00:00.000Z", ...fields })

const held = (id: string, expiresAt: string, claimOwner = "worker") =>
  card({ id, status: "claimed", claimOwner, claimExpiresAt: expiresAt, attempts: 1 })

const board = (some: Partial<Board>): Board => ({
  at: now,
  position: 7,
  stats: {
    counts: { ready: 30, claimed: 12, blocked: 1, done: 4 },
    total: 47,
    claimable: 25,
    waiting: 5,
    oldestReadyAgeSeconds: 1,
    expiredClaimCount: 2
  },
  claimed: [],
  claimable: [],
  events: [],
  ...some
})

const terminal = (columns: number) =>
  textStyleOf({ write: () => {}, drain: Effect.void, isTerminal: true, size: () => ({ columns, rows: 24 }) }, {})

/** Removes the colors of a line. */
// oxlint-disable-next-line no-control-regex -- colors are control characters
const shown = (line: string): string => line.replace(/\u001b\[\d+m/g, "")

describe("a board", () => {
  const full = board({
    claimed: Array.from({ length: 12 }, (_, index) => held(`held-${index}`, "2026-01-22T12:05:10Z")),
    claimable: Array.from({ length: 20 }, (_, index) => card({ id: `next-${index}`, title: "漢字".repeat(100) }))
  })

  it.each([
    [80, 24],
    [40, 12],
    [20, 5],
    [200, 100],
    [80, 0]
  ])("a board fits into %i columns and %i rows", (columns, rows) => {
    const lines = describeBoard(full, terminal(columns), rows)
    assert.isAtMost(lines.length, rows)
    for (const line of lines) assert.isAtMost(displayWidth(shown(line)), columns)
  })

  it("sections share the rows and show their totals", () => {
    const lines = describeBoard(full, terminal(80), 24).map(shown)
    assert.lengthOf(lines, 24)
    assert.isTrue(lines.includes("Claimed  (7 of 12)"))
    assert.isTrue(lines.includes("Next  (6 of 25)"))
    assert.isTrue(lines.includes("There are no events yet."))
    assert.strictEqual(lines[1], "30 ready (25 claimable, 5 waiting)  12 claimed (2 expired)  1 blocked  4 done  …")
  })

  it("a claim shows its remaining time or that it is expired", () => {
    const lines = describeBoard(
      board({ claimed: [held("a", "2026-01-22T12:05:10Z"), held("b", "2026-01-22T11:59:00Z")] }),
      terminal(80)
    )
    assert.match(shown(lines[5] ?? ""), /^a\s+worker\s+5 minutes 10 seconds\s+1 /)
    assert.match(shown(lines[6] ?? ""), /^b\s+worker\s+expired\s+1 /)
    assert.include(lines[6], "\u001b[31m")
  })

  it("control characters are escaped", () => {
    const evil = "x\u001b[2J\n\u202ey"
    const lines = describeBoard(
      board({
        claimed: [held("a", "2026-01-22T12:05:10Z", "o\u202ewner")],
        claimable: [card({ title: evil, phase: "p" })]
      }),
      terminal(120)
    ).map(shown)
    assert.notMatch(lines.join(""), /[\p{Cc}\u202e]/u)
    assert.include(lines.join("\n"), "x\\x1b[2J\\n\\u202ey")
  })
})

describe("watch", () => {
  const place = onServer()
  beforeAll(() => cli([...place.flags, "create", "--id", "a", "--title", "First"]))
  afterAll(() => place.remove())

  /** Runs `watch` in this process until it is interrupted. */
  const watching = (argv: ReadonlyArray<string>, isTerminal: boolean) => {
    let text = ""
    let wake = () => {}
    const output = {
      write: (written: string) => {
        text += written
        wake()
      },
      drain: Effect.void,
      isTerminal,
      size: () => ({ columns: 60, rows: 20 })
    }
    const onExit = new Set<() => void>()
    const host: ProcessIO["Service"] = {
      env: { BACKLOG_ACTOR: "tester" },
      stdin: { [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve({ done: true, value: undefined }) }) },
      stdout: output,
      stderr: { ...output, write: (written) => assert.fail(written) },
      onInterrupt: () => {},
      onExit: (act) => {
        onExit.add(act)
        return () => onExit.delete(act)
      }
    }
    const fiber = Effect.runFork(run([...place.flags, "watch", ...argv], host))
    return {
      onExit,
      text: () => text,
      says: (isSaid: (text: string) => boolean) =>
        new Promise<void>((resolve) => {
          wake = () => {
            if (isSaid(text)) resolve()
          }
          wake()
        }),
      interrupt: () => Effect.runPromise(Fiber.interrupt(fiber))
    }
  }

  it("watch prints the board once without a terminal", async () => {
    const { code, stdout } = await cli([...place.flags, "watch"])
    assert.strictEqual(code, 0)
    assert.match(
      stdout,
      /^Backlog at position 1, [^]*\nNext\nID  PRIORITY  TITLE\na          0  First\n[^]*created ready/
    )
    assert.notInclude(stdout, "\u001b")
  })

  it("watch shows each change on a terminal, and restores the screen", async () => {
    const watched = watching(["--interval", "3600"], true)
    await watched.says((text) => text.includes("position 1,"))
    assert.strictEqual(watched.onExit.size, 1)
    await cli([...place.flags, "create", "--id", "b", "--title", "Second"])
    await watched.says((text) => text.includes("position 2,"))
    await watched.interrupt()
    const text = watched.text()
    assert.isTrue(text.startsWith("\u001b[?1049h\u001b[?25l\u001b[?7l\u001b[H"))
    assert.isTrue(text.endsWith("\u001b[J\u001b[?7h\u001b[?25h\u001b[?1049l"))
    assert.strictEqual(watched.onExit.size, 0)
  })

  it("watch --json prints a document for each change, with or without an event", async () => {
    const watched = watching(["--json", "--interval", "1"], false)
    const documents = () =>
      watched
        .text()
        .split("\n")
        .slice(0, -1)
        .map((line) => documentIn(`${line}\n`).data)
    await watched.says((text) => text.includes('"position":2,'))
    await cli([...place.flags, "claim", "a", "--owner", "w", "--ttl", "1"])
    await watched.says((text) => text.includes('"expiredClaimCount":1'))
    await watched.interrupt()
    const [first, second] = documents()
    assert.deepStrictEqual(Object.keys(first), ["at", "position", "stats", "claimed", "claimable", "events"])
    assert.deepStrictEqual(
      [first.claimable, first.claimed, first.events].map((list) => list.length),
      [2, 0, 2]
    )
    assert.deepInclude(second.claimed[0], { id: "a", claimOwner: "w" })
    assert.isAtMost(documents().length, 4)
  })

  it("an interval out of range is refused", async () => {
    for (const interval of ["0", "3601", "soon"]) {
      assert.strictEqual((await json([...place.flags, "watch", "--interval", interval])).code, 2)
    }
  })
})
