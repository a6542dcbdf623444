import { assert, describe, it, layer } from "@effect/vitest"
import { DateTime, Effect, Layer, Option, Result, Schema, Stream } from "effect"
import { Json } from "../../src/domain/Json.ts"
import { Name, Title } from "../../src/domain/Text.ts"
import { parseExactJson } from "../../src/domain/parseExactJson.ts"
import { parseAnchor } from "../../src/events/Anchor.ts"
import { parseEvent, parseHeader } from "../../src/events/LogFile.ts"
import { parsePriority, parseStatus, parseTime } from "../../src/import/fields.ts"
import { planRecords } from "../../src/import/planImport.ts"
import { decodeTask, splitTaskFile } from "../../src/import/readBacklogMd.ts"
import { decodeBeadsLine, toIssue } from "../../src/import/readBeads.ts"
import { parseTableName } from "../../src/import/readTable.ts"
import { LogFileCheck } from "../../src/projections/LogFileCheck.ts"
import { AuditService } from "../../src/services/AuditService.ts"
import { BacklogService } from "../../src/services/BacklogService.ts"
import type { CreateInput } from "../../src/services/BacklogInput.ts"
import { cli } from "../cli/support.ts"
import { nested } from "./hostile/values.ts"
import { freshBacklog, plain } from "../support/backlogs.ts"
import { layerPgliteClient } from "../../src/services/pglite/PgliteClient.ts"
import { verifiesItself } from "../support/verifyBacklog.ts"

const actor = "test"
const megabyte = 2 ** 20

const card = (more: object) => ({ id: "a", title: "A", actor, ...more }) as CreateInput

layer(layerPgliteClient(), { timeout: "60 seconds", excludeTestServices: true })("hostile cases", (hostile) => {
  const test = (title: string, body: Effect.Effect<void, unknown, BacklogService | AuditService>) =>
    hostile.effect(title, () =>
      Effect.provide(Effect.andThen(body, verifiesItself) as Effect.Effect<void, unknown>, Layer.fresh(freshBacklog))
    )

  test(
    "a getter that throws is invalid input",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const input = {
        get title(): string {
          throw new Error("no")
        }
      }
      const throwing = Object.defineProperties(card({}), Object.getOwnPropertyDescriptors(input))
      assert.strictEqual((yield* Effect.flip(backlog.create(throwing)))._tag, "InvalidInput")
    })
  )

  test(
    "JSON is stored as it was when it was read, even if the caller changes it later",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      let reads = 0
      const acceptance = {
        get a() {
          return reads++ === 0 ? 1 : "\u0000"
        }
      }
      const created = yield* backlog.create(card({ acceptance }))
      assert.deepStrictEqual(created.acceptance, { a: 1 })
      const hidden = Object.defineProperty({ a: 1 }, "toJSON", { value: () => undefined, enumerable: false })
      const revised = yield* backlog.revise({ id: "a", acceptance: hidden, actor })
      assert.deepStrictEqual(revised.acceptance, { a: 1 })
    })
  )

  test(
    "a priority of -0 is returned as it is read",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const created = yield* backlog.create(card({ priority: -0 }))
      assert.deepStrictEqual(plain(created), plain(Option.getOrThrow(yield* backlog.get("a"))))
    })
  )

  test(
    "an invalid time is refused for cards and moments",
    Effect.gen(function* () {
      const none = Object.assign(Object.create(Object.getPrototypeOf(DateTime.makeUnsafe(0))), {
        epochMilliseconds: NaN
      })
      const created = yield* Effect.flip((yield* BacklogService).create(card({ occurredAt: none })))
      const moment = yield* Effect.flip((yield* AuditService).backlogAt({ time: none }))
      assert.deepStrictEqual([created._tag, moment._tag], ["InvalidInput", "InvalidInput"])
    })
  )

  test(
    "reusing the id of a command without cards for another command is a conflict",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.createMany({ cards: [], commandId: "1", actor })
      yield* backlog.claim({ owner: "w", commandId: "2", actor })
      for (const commandId of ["1", "2"]) {
        const conflict = yield* Effect.flip(backlog.create(card({ commandId })))
        assert.strictEqual(conflict._tag, "CommandIdConflict")
      }
    })
  )

  test(
    "the error for a key of a megabyte is short",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const refused = yield* Effect.flip(backlog.create(card({ ["x".repeat(megabyte)]: 1 })))
      assert.isBelow(refused.message.length, 5_000)
      const line = Result.getFailure(parseEvent(JSON.stringify({ ["x".repeat(megabyte)]: 1 })))
      assert.isBelow(Option.getOrThrow(line).length, 5_000)
    })
  )

  test(
    "invalid audit options are refused, including those that unfold without end",
    Effect.gen(function* () {
      const audit = yield* AuditService
      let unfolding: unknown = 1
      for (let level = 0; level < 40; level++) unfolding = [unfolding, unfolding]
      const none = null as never
      const tried: ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>> = [
        audit.rebuild({ swapTimeout: unfolding as never }),
        audit.rebuild(none),
        audit.verify(none),
        audit.verify({ anchor: { position: 1 } as never }),
        audit.consume<never, never>(none),
        audit.consume({ consumer: "c", handler: 5 as never })
      ]
      for (const attempt of tried) assert.strictEqual((yield* Effect.flip(attempt))._tag, "InvalidInput")
      assert.strictEqual((yield* Effect.flip(audit.anchor({ privateKey: 5 as never })))._tag, "AnchorRefused")
      assert.isTrue(Result.isFailure(parseAnchor(5 as never)))
    })
  )

  test(
    "a time before all times of the database is before every event, or invalid",
    Effect.gen(function* () {
      const audit = yield* AuditService
      const past = yield* Effect.result(audit.backlogAt({ time: DateTime.makeUnsafe(-8.64e15) }))
      if (Result.isSuccess(past)) assert.strictEqual(past.success.position, 0)
      else assert.strictEqual(past.failure._tag, "InvalidInput")
    })
  )

  test(
    "JSON nested 10,000 levels deep is refused by every method",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(card({ acceptance: nested(500) }))
      const deep = nested(10_000)
      const text = `${"[".repeat(10_000)}${"]".repeat(10_000)}`
      const tried: ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>> = [
        backlog.create(card({ id: "b", acceptance: deep })),
        backlog.revise({ id: "a", acceptance: deep as never, actor }),
        backlog.complete({ id: "a", result: deep as never, actor })
      ]
      for (const attempt of tried) {
        assert.strictEqual((yield* Effect.flip(attempt))._tag, "InvalidInput")
      }
      assert.strictEqual(Option.getOrThrow(yield* backlog.get("a")).version, 1)
      for (const argv of [
        ["create", "--id", "b", "--title", "B", "--acceptance", text],
        ["complete", "a", "--result", text]
      ]) {
        const ran = yield* Effect.promise(() => cli([...argv, "--db", "postgres://u@127.0.0.1:1/d"]))
        assert.strictEqual(ran.code, 2)
        assert.notMatch(ran.stderr, /stack/)
      }
      assert.isTrue(Result.isFailure(decodeBeadsLine(`{"id":${text}}`)))
      const lines = yield* Stream.runCollect((yield* AuditService).exportLog)
      const [header = "", event = ""] = lines
      const check = new LogFileCheck()
      check.push({ number: 1, text: header })
      check.push({ number: 2, text: event.replace('"data":{', `"data":{"result":${text},`) })
      assert.isAbove(Result.getOrThrow(check.end()).divergenceCount, 0)
      assert.isFalse(Schema.is(Json)(deep))
    })
  )
})

const recordOf = (line: number, text: string) =>
  ({ _tag: "Issue", line, issue: toIssue(Result.getOrThrow(decodeBeadsLine(text))) }) as const

/** Texts that slow down a pattern which tries every start or every way to split them. */
const slow: ReadonlyArray<string> = [
  " ",
  "\t",
  "\n",
  "0",
  "9",
  "-",
  "a",
  "://",
  "://:",
  "\\",
  '"',
  "[",
  "{",
  '"a":',
  "é",
  "\u202e"
].flatMap((piece) => ["", "!"].map((end) => piece.repeat(megabyte / piece.length) + end))

describe("texts of a megabyte", () => {
  it("every parser of text ends", () => {
    for (const text of slow) {
      parseExactJson(text)
      parseExactJson(`1.${text}`)
      parseAnchor(text)
      parseHeader(text)
      decodeBeadsLine(JSON.stringify({ id: text, created_at: text }))
      parseTime(text)
      parseTime(`2026-01-22${text}`)
      parseStatus(text, new Map())
      parsePriority(text)
      parseTableName(text)
      parseTableName(`"${text}`)
      for (const line of [text, `a: [@${text}`, `- [ ] ${text}`]) {
        splitTaskFile(`---\n${line}\n---\n${line}`)
        decodeTask({ id: "a", title: "A", status: text, created_date: text }, line, new Map())
      }
      Schema.is(Name)(text)
      Schema.is(Title)(text)
    }
  })

  it("the command line ends with words of a megabyte", async () => {
    // No operating system that we know accepts longer words.
    for (const text of slow.map((long) => long.slice(-100_000))) {
      for (const argv of [
        ["list", text],
        ["list", `--at=${text}`],
        ["renew", "a", `--token=${text}`]
      ]) {
        const { code } = await cli([...argv, "--db", "postgres://u@127.0.0.1:1/d"])
        assert.strictEqual(code, 2)
      }
    }
    assert.strictEqual((await cli(["a".repeat(100_000)])).code, 2)
  })

  it("20,000 issues in dependency cycles are planned in one pass", () => {
    for (const size of [2, 20_000]) {
      const issues = Array.from({ length: 20_000 }, (_, index) => {
        const next = index - (index % size) + ((index + 1) % size)
        const dependencies = [{ depends_on_id: `i${next}`, type: "blocks" }]
        const issue = { id: `i${index}`, title: "T", status: "open", priority: 1, created_at: "2026-01-01T00:00:00Z" }
        return recordOf(index + 1, JSON.stringify({ ...issue, dependencies }))
      })
      const plan = planRecords(issues)
      assert.lengthOf(plan.leftOut, issues.length)
      assert.isBelow(Math.max(...plan.leftOut.map(({ detail }) => detail.length)), 1_000)
    }
  })

  it("edge types that are named like properties of every object are counted", () => {
    const dependencies = ["constructor", "__proto__", "toString"].map((type) => ({ depends_on_id: "b", type }))
    const issue = { id: "a", title: "T", status: "open", priority: 1, created_at: "2026-01-01T00:00:00Z", dependencies }
    const { edges } = planRecords([recordOf(1, JSON.stringify(issue))])
    assert.deepStrictEqual(Object.entries(edges.otherTypes), [
      ["constructor", 1],
      ["__proto__", 1],
      ["toString", 1]
    ])
  })
})
