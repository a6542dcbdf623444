import { Effect, Layer, Result, Stream } from "effect"
import { expect } from "vitest"
import { LogFileCheck } from "../../../src/projections/LogFileCheck.ts"
import { AuditService } from "../../../src/services/AuditService.ts"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { freshBacklog, headPosition, tables, within } from "../../support/backlogs.ts"
import { disarm, dump, dumpUpTo, insertEvent, rehash } from "../../support/tampering.ts"
import { verifiesItself, verifyBacklog } from "../../support/verifyBacklog.ts"
import { input, type Test } from "../conformance/harness.ts"
import { plot, plotLength } from "./plot.ts"

const logTables = ["events", "head", "cards", "dependencies"] as const

const exported = Effect.flatMap(AuditService, (audit) =>
  Effect.map(Stream.runCollect(audit.exportLog), Array.from<string>)
)

/** Another empty backlog, over the client of the test. */
const another = Layer.build(Layer.fresh(freshBacklog))

const numbered = (lines: ReadonlyArray<string>) => lines.map((text, index) => ({ number: index + 1, text }))

const imported = (lines: ReadonlyArray<string>) =>
  Effect.flatMap(AuditService, (audit) => audit.importLog(Stream.fromIterable(numbered(lines))))

/** Checks a file without a database: the line that is refused, or the divergences. */
const checked = (lines: ReadonlyArray<string>, ...anchor: ConstructorParameters<typeof LogFileCheck>) => {
  const file = new LogFileCheck(...anchor)
  for (const line of numbered(lines)) {
    const pushed = file.push(line)
    if (Result.isFailure(pushed)) return { wrongLine: pushed.failure.line }
  }
  return Result.match(file.end(), {
    onFailure: ({ line }) => ({ wrongLine: line }),
    onSuccess: ({ divergences }) => ({
      divergences: divergences.map(({ cardId, check, position }) => [check, cardId, position] as const)
    })
  })
}

type Change = (lines: ReadonlyArray<string>) => ReadonlyArray<string>

const replaced =
  (line: number, from: string, to: string): Change =>
  (lines) => {
    const text = lines[line - 1] ?? ""
    if (!text.includes(from)) throw new Error(`line ${line} has no ${from}: ${text}`)
    return lines.with(line - 1, text.replace(from, to))
  }

const swapped =
  (one: number, other: number): Change =>
  (lines) =>
    lines.with(one - 1, lines[other - 1] ?? "").with(other - 1, lines[one - 1] ?? "")

/** Changes of a file, whose header is line 1 and whose event at position 1 is line 2, and the result of its check. */
const damages: ReadonlyArray<readonly [title: string, change: Change, found: ReturnType<typeof checked>]> = [
  ["an actor is another", replaced(6, '"w1"', '"w2"'), { divergences: [["content", "a", 5]] }],
  ["a title is another", replaced(2, "Title of a", "Title of A"), { divergences: [["content", "a", 1]] }],
  ["a time is another", replaced(7, "00:00:02.000Z", "00:00:02.001Z"), { divergences: [["content", "a", 6]] }],
  ["a time is no time", replaced(7, "00:00:02.000Z", "00:00:02Z"), { wrongLine: 7 }],
  ["a salt is longer", replaced(2, '"salt":"', '"salt":"00'), { wrongLine: 2 }],
  ["a member is added", replaced(7, '{"position"', '{"more":1,"position"'), { wrongLine: 7 }],
  ["a member is missing", replaced(7, '"schemaVersion":1,', ""), { wrongLine: 7 }],
  ["a line is no JSON", replaced(7, "{", ""), { wrongLine: 7 }],
  ["a line is empty", (lines) => lines.with(6, ""), { wrongLine: 7 }],
  [
    "an event is missing",
    (lines) => lines.toSpliced(6, 1),
    {
      divergences: [
        ["position", null, 6],
        ["version", "a", 7]
      ]
    }
  ],
  [
    "the first event is missing",
    (lines) => lines.toSpliced(1, 1),
    {
      divergences: [
        ["position", null, 1],
        ["version", "a", 5]
      ]
    }
  ],
  [
    "two events are swapped",
    swapped(7, 8),
    {
      divergences: [
        ["position", null, 6],
        ["version", "a", 7],
        ["position", null, 8],
        ["position", null, 7]
      ]
    }
  ],
  [
    "an event is there twice",
    (lines) => lines.toSpliced(7, 0, lines[6] ?? ""),
    {
      divergences: [
        ["position", null, 7],
        ["version", "a", 6]
      ]
    }
  ],
  [
    "the end is missing",
    (lines) => lines.slice(0, -1),
    {
      divergences: [
        ["head", null, 21],
        ["head", null, 21]
      ]
    }
  ],
  [
    "all events are missing",
    (lines) => lines.slice(0, 1),
    {
      divergences: [
        ["head", null, 0],
        ["head", null, 0]
      ]
    }
  ],
  [
    "half of the last line is missing",
    (lines) => [...lines.slice(0, -1), lines.at(-1)?.slice(0, 100) ?? ""],
    {
      wrongLine: plotLength + 1
    }
  ],
  ["something follows", (lines) => [...lines, "# the end"], { wrongLine: plotLength + 2 }],
  ["an empty line follows", (lines) => [...lines, ""], { wrongLine: plotLength + 2 }],
  ["the header is missing", (lines) => lines.slice(1), { wrongLine: 1 }],
  ["the header is there twice", (lines) => lines.toSpliced(1, 0, lines[0] ?? ""), { wrongLine: 2 }],
  [
    "the header's position is another",
    replaced(1, '"position":22', '"position":21'),
    {
      divergences: [["head", null, 22]]
    }
  ],
  [
    "the header's hash is another",
    (lines) => lines.with(0, (lines[0] ?? "").replace(/"[0-9a-f]{64}"/, `"${"0".repeat(64)}"`)),
    {
      divergences: [["head", null, 22]]
    }
  ],
  ["the header is of another format", replaced(1, '"formatVersion":1', '"formatVersion":2'), { wrongLine: 1 }],
  ["nothing is there", () => [], { wrongLine: 1 }]
]

/** A log is exported from one backlog and imported into another without a change. */
export const logFile = (test: Test): void => {
  test(
    "an exported log is verified without a database, and imported with every position, version, hash and row",
    Effect.gen(function* () {
      const audit = yield* AuditService
      yield* plot
      const anchor = yield* audit.anchor()
      const lines = yield* exported
      expect(lines).toHaveLength(plotLength + 1)
      expect(checked(lines)).toEqual({ divergences: [] })
      expect(checked(lines, anchor)).toEqual({ divergences: [] })
      const before = yield* dumpUpTo(plotLength, ["d"])
      const other = yield* another
      yield* within(other)(
        Effect.gen(function* () {
          expect(yield* imported(lines)).toEqual({
            position: plotLength,
            chainHash: anchor.chainHash,
            events: plotLength,
            cards: 7,
            generation: 31_536_000_000_000,
            reclaimed: ["d"]
          })
          expect(yield* dumpUpTo(plotLength, ["d"])).toEqual(before)
          expect((yield* exported).slice(1, plotLength + 1)).toEqual(lines.slice(1))
          expect((yield* (yield* AuditService).verify({ anchor })).divergences).toEqual([])
          // The imported backlog accepts commands.
          const backlog = yield* BacklogService
          yield* backlog.create(input("h"))
          expect((yield* backlog.complete({ id: "d", force: true, actor: "ann" })).madeClaimable).toEqual(["e"])
          expect(yield* headPosition).toBe(plotLength + 3)
          yield* verifyBacklog
          yield* verifiesItself
        })
      )
    })
  )

  test(
    "an empty log can be exported and imported",
    Effect.gen(function* () {
      const lines = yield* exported
      expect(lines).toHaveLength(1)
      expect(checked(lines)).toEqual({ divergences: [] })
      expect(yield* imported(lines)).toEqual({
        position: 0,
        chainHash: "00".repeat(32),
        events: 0,
        cards: 0,
        generation: 31_536_000_000_000,
        reclaimed: []
      })
      yield* (yield* BacklogService).create(input("a"))
    })
  )

  test(
    "an incomplete file is refused, and the backlog stays empty",
    Effect.gen(function* () {
      yield* plot
      const lines = yield* exported
      const other = yield* another
      yield* within(other)(
        Effect.gen(function* () {
          for (const [title, change, found] of damages) {
            const damaged = change(lines)
            expect([title, checked(damaged)]).toEqual([title, found])
            const refused = yield* Effect.flip(imported(damaged))
            expect([title, refused._tag]).toEqual([title, "LogFileRefused"])
            expect([title, yield* headPosition]).toEqual([title, 0])
          }
          expect(yield* dump("events", "cards", "dependencies")).toEqual({ events: [], cards: [], dependencies: [] })
          // A line that cannot be read, and a source that fails.
          const audit = yield* AuditService
          const unreadable = [...numbered(lines.slice(0, 3)), { number: 4, problem: "it is not UTF-8" }]
          expect(yield* Effect.flip(audit.importLog(Stream.fromIterable(unreadable)))).toMatchObject({
            _tag: "LogFileRefused",
            line: 4
          })
          const failing = Stream.concat(Stream.fromIterable(numbered(lines.slice(0, 9))), Stream.fail("no disk"))
          expect(yield* Effect.flip(audit.importLog(failing))).toBe("no disk")
          expect(yield* headPosition).toBe(0)
          yield* imported(lines)
        })
      )
    })
  )

  test(
    "a rewritten file that is consistent does not continue the anchor",
    Effect.gen(function* () {
      const audit = yield* AuditService
      yield* plot
      const anchor = yield* audit.anchor()
      const other = yield* another
      yield* within(other)(
        Effect.gen(function* () {
          const { events, sql } = yield* tables
          yield* plot
          yield* disarm
          yield* sql`UPDATE ${events} SET actor = 'another actor' WHERE position = 5`
          yield* rehash
          const lines = yield* exported
          expect(checked(lines)).toEqual({ divergences: [] })
          expect(checked(lines, anchor)).toEqual({ divergences: [["anchor", null, plotLength]] })
          const shorter = lines.slice(0, -1)
          expect(checked(shorter, anchor)).toEqual({
            divergences: expect.arrayContaining([["anchor", null, plotLength]])
          })
        })
      )
    })
  )

  test.unverified(
    "a file of a log that breaks the rules is refused without a database, and by the import",
    Effect.gen(function* () {
      const { events, sql } = yield* tables
      yield* plot
      yield* disarm
      const whole = yield* exported
      const other = yield* another
      const forged = (found: ReturnType<typeof checked>) =>
        Effect.gen(function* () {
          yield* rehash
          const lines = yield* exported
          expect(checked(lines)).toEqual(found)
          expect((yield* Effect.flip(within(other)(imported(lines))))._tag).toBe("LogFileRefused")
        })
      const last = plotLength + 1
      yield* insertEvent(last, { cardId: "d", version: 4, type: "CardLinked", data: { dependsOn: "e" } })
      yield* forged({ divergences: [["cycle", null, null]] })
      yield* sql`UPDATE ${events} SET type = 'CardUnlinked' WHERE position = ${BigInt(last)}`
      yield* forged({ divergences: [["fold", "d", last]] })
      yield* sql`UPDATE ${events} SET type = 'CardPainted' WHERE position = ${BigInt(last)}`
      yield* forged({ divergences: [["decode", "d", last]] })
      yield* sql`DELETE FROM ${events} WHERE position = ${BigInt(last)}`
      yield* sql`UPDATE ${events} SET data = data - 'body', commitments = commitments #- '{body,salt}' WHERE position = 1`
      yield* forged({ divergences: [["redaction", "a", 7]] })
      expect(checked(whole)).toEqual({ divergences: [] })
    })
  )

  test(
    "a backlog that is not empty refuses an import and does not change",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("a"))
      const lines = yield* exported
      const before = yield* dump(...logTables)
      const refused = yield* Effect.flip(imported(lines))
      expect(refused).toMatchObject({ _tag: "BacklogNotEmpty", position: 1 })
      expect(yield* dump(...logTables)).toEqual(before)
    })
  )

  test(
    "an export is one snapshot, regardless of concurrent writes",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      yield* backlog.createMany({
        actor: "ann",
        cards: Array.from({ length: 2_500 }, (_, index) => ({ id: `c${index}`, title: "T" }))
      })
      const lines: Array<string> = []
      yield* Stream.runForEach(audit.exportLog, (line) =>
        Effect.gen(function* () {
          lines.push(line)
          if (lines.length === 2 || lines.length === 2_400) yield* backlog.create(input(`later ${lines.length}`))
        })
      )
      expect(lines).toHaveLength(2_501)
      expect(checked(lines)).toEqual({ divergences: [] })
    })
  )

  test(
    "an import in a transaction that is rolled back has no effect",
    Effect.gen(function* () {
      yield* plot
      const lines = yield* exported
      const other = yield* another
      yield* within(other)(
        Effect.gen(function* () {
          const { sql } = yield* tables
          yield* Effect.flip(sql.withTransaction(Effect.andThen(imported(lines), Effect.fail("changed my mind"))))
          expect(yield* headPosition).toBe(0)
          expect(yield* dump("events", "cards", "dependencies")).toEqual({ events: [], cards: [], dependencies: [] })
        })
      )
    })
  )
}
