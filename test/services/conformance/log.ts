import { Effect, Option, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { expect } from "vitest"
import { AuditService } from "../../../src/services/AuditService.ts"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { BacklogTestClock } from "../../../src/services/layers.ts"
import { headPosition, iso, tables } from "../../support/backlogs.ts"
import { canonical, readLog } from "../../support/verifyBacklog.ts"
import { after, input, refusalJson, start, type Test, utc } from "./harness.ts"

const nested = (depth: number): unknown => {
  let value: unknown = "deep"
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { in: value }
  return value
}

/** JSON values that faulty encodings change. */
const values: ReadonlyArray<readonly [name: string, value: unknown]> = [
  ["true", true],
  ["false", false],
  ["zero", 0],
  ["negative zero", -0],
  ["negative zero inside", { n: [-0] }],
  ["an empty text", ""],
  ["an empty array", []],
  ["an empty object", {}],
  ["null inside", { a: null, b: [null] }],
  ["numbers", [1e308, 1.7976931348623157e308, 5e-324, -5e-324, 2 ** 53, -(2 ** 53) - 2, 0.1, 1e21, 1e-7, 1 / 3]],
  ["keys in another order than the database's", { zz: 1, a: 2, "": 3, ä: 4, "\ud83d\ude00": 5, "\uffff": 6 }],
  ["keys that are not only data in JavaScript", JSON.parse('{"__proto__":{"a":1},"constructor":1,"toString":null}')],
  ["text of every kind", ["é", "e\u0301", "😀", "\u2028\u2029", "\u0001\u001f\u007f\u0080", "\\\"'{},\n\t", "\\u0000"]],
  ["500 levels", nested(500)],
  ["a big text", "ü".repeat(500_000)],
  ["many values", Array.from({ length: 20_000 }, (_, index) => ({ index }))]
]

/** The event log. */
export const log = (test: Test): void => {
  test(
    "stores every JSON value unchanged",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      for (const [name, value] of values) {
        const acceptance = value as never
        const kept = canonical(JSON.parse(JSON.stringify(value)))
        yield* backlog.create(input(name, { acceptance }))
        yield* backlog.complete({ id: name, result: acceptance, actor: "ann" })
        const card = Option.getOrThrow(yield* backlog.get(name))
        const [created, completed] = yield* Stream.runCollect(audit.history(name))
        const found = [card.acceptance, card.result, created?.data["acceptance"], completed?.data["result"]]
        // Compares booleans, because some values are too large to print.
        expect([name, ...found.map((json) => canonical(json) === kept)]).toEqual([name, true, true, true, true])
        yield* backlog.reopen({ id: name, actor: "ann" })
      }
      for (const event of yield* readLog) {
        const [, value] = values.find(([name]) => name === event.cardId) ?? []
        const kept = canonical(JSON.parse(JSON.stringify(value)))
        if (event.type === "CardCreated") expect(canonical(event.data["acceptance"]) === kept).toBe(true)
      }
    })
  )

  test(
    "history returns a card's events",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      const clock = yield* BacklogTestClock
      yield* backlog.create(input("before"))
      yield* backlog.create(input("a", { occurredAt: utc("2020-02-29T23:59:59.999Z") }))
      yield* backlog.create(input("between"))
      yield* clock.advance("7 seconds")
      yield* backlog.block({
        id: "a",
        reason: "why",
        actor: "bob",
        correlationId: "correlation",
        causationId: "cause",
        commandId: "command"
      })
      const history = Array.from(yield* Stream.runCollect(audit.history("a")))
      expect(
        history.map((event) => ({
          ...event,
          occurredAt: iso(event.occurredAt),
          recordedAt: iso(event.recordedAt)
        }))
      ).toMatchObject([
        {
          position: 2,
          cardId: "a",
          version: 1,
          type: "CardCreated",
          schemaVersion: 1,
          actor: "ann",
          correlationId: null,
          causationId: null,
          commandId: null,
          occurredAt: "2020-02-29T23:59:59.999Z",
          recordedAt: start
        },
        {
          position: 4,
          cardId: "a",
          version: 2,
          type: "CardBlocked",
          schemaVersion: 1,
          actor: "bob",
          correlationId: "correlation",
          causationId: "cause",
          commandId: "command",
          occurredAt: after(7),
          recordedAt: after(7)
        }
      ])
      expect(history[1]?.data).toEqual({ reason: "why", endedClaim: null })
      const rows = (yield* readLog).filter((row) => row.cardId === "a")
      expect(history.map(({ chainHash, contentHash }) => ({ chainHash, contentHash }))).toEqual(
        rows.map(({ chainHash, contentHash }) => ({ chainHash, contentHash }))
      )
      expect(refusalJson(yield* Effect.flip(Stream.runDrain(audit.history("nowhere"))))).toEqual({
        _tag: "CardNotFound",
        id: "nowhere"
      })
    })
  )

  test(
    "history returns more events than fit on a page",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      yield* backlog.create(input("a"))
      yield* backlog.claim({ owner: "w", actor: "w" })
      const renewals = 1_100
      yield* Effect.all(
        Array.from({ length: renewals }, (_, index) =>
          backlog.renew({ id: "a", token: 2, ttlSeconds: 1 + index, actor: "w" })
        ),
        { concurrency: "unbounded", discard: true }
      )
      const history = Array.from(yield* Stream.runCollect(audit.history("a")))
      expect(history.map((event) => event.version)).toEqual(Array.from({ length: renewals + 2 }, (_, n) => n + 1))
      expect(new Set(history.slice(2).map((event) => event.data["ttlSeconds"])).size).toBe(renewals)
      const first = yield* Stream.runCollect(Stream.take(audit.history("a"), 3))
      expect(Array.from(first, (event) => event.type)).toEqual(["CardCreated", "CardClaimed", "ClaimRenewed"])
    })
  )

  test(
    "recorded times never decrease, even when the clock is set back",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const clock = yield* BacklogTestClock
      yield* backlog.create(input("a"))
      yield* clock.set(utc("2025-12-31T00:00:00Z"))
      yield* backlog.create(input("b"))
      const times = (yield* readLog).map((event) => [event.occurredAt.toISOString(), event.recordedAt.toISOString()])
      expect(times).toEqual([
        [start, start],
        ["2025-12-31T00:00:00.000Z", start]
      ])
    })
  )

  test(
    "another backlog over the same tables reads the same events",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("a", { idempotencyKey: "k" }))
      const rows = yield* readLog
      yield* backlog.create(input("b", { idempotencyKey: "k" }))
      expect(yield* readLog).toEqual(rows)
    })
  )

  test(
    "the database refuses every change of recorded events",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const { events, head, sql } = yield* tables
      yield* backlog.create(input("a"))
      yield* backlog.create(input("b"))
      const before = yield* readLog
      for (const change of [
        sql`UPDATE ${events} SET actor = 'somebody else'`,
        sql`UPDATE ${events} SET actor = 'somebody else' WHERE position = 0`,
        sql`DELETE FROM ${events} WHERE position = 2`,
        sql`DELETE FROM ${events} WHERE false`,
        sql`TRUNCATE ${events}`,
        sql`INSERT INTO ${events} SELECT * FROM ${events} ON CONFLICT (position) DO UPDATE SET actor = 'x'`,
        sql`DELETE FROM ${head}`,
        sql`TRUNCATE ${head}`
      ]) {
        const error = yield* Effect.flip(change)
        expect((error.reason.cause as Error).message).toContain("append-only")
        // Inside a transaction the change fails too, and the transaction cannot commit.
        yield* Effect.flip(sql.withTransaction(change))
      }
      expect(yield* readLog).toEqual(before)
      expect(yield* headPosition).toBe(2)
    })
  )

  test(
    "the database refuses a second event at the same position or version",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const { events, sql } = yield* tables
      yield* backlog.create(input("a"))
      const copy = (position: number, version: number) => sql`
        INSERT INTO ${events} SELECT ${position}::int8, card_id, ${version}::int4, type, schema_version, data, commitments,
          actor, correlation_id, causation_id, command_id, occurred_at, recorded_at, content_hash, chain_hash
        FROM ${events} WHERE position = 1`
      for (const refused of [copy(1, 2), copy(2, 1)]) {
        expect((yield* Effect.flip(refused)).reason._tag).toBe("UniqueViolation")
      }
    })
  )

  test.unverified(
    "history returns events of unknown types",
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      const { events } = yield* tables
      yield* backlog.create(input("a"))
      yield* sql`
        INSERT INTO ${events} SELECT 2, card_id, 2, 'CardPainted', 7, '{"color":{"r":1}}'::jsonb, '{}'::jsonb, 'painter',
          correlation_id, causation_id, command_id, occurred_at, recorded_at, content_hash, chain_hash
        FROM ${events} WHERE position = 1`
      const history = Array.from(yield* Stream.runCollect(audit.history("a")))
      expect(
        history.map(({ actor, data, schemaVersion, type, version }) => [version, type, schemaVersion, actor, data])
      ).toEqual([
        [1, "CardCreated", 1, "ann", expect.objectContaining({ title: "Card a" })],
        [2, "CardPainted", 7, "painter", { color: { r: 1 } }]
      ])
    })
  )
}
