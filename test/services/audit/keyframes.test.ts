import { Context, DateTime, Effect, Layer, Option, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { expect } from "vitest"
import type { Card } from "../../../src/domain/Card.ts"
import { EventLog } from "../../../src/events/EventLog.ts"
import { KeyframeInterval, makeKeyframes } from "../../../src/projections/Keyframes.ts"
import { makeKeyframeWriter } from "../../../src/projections/KeyframeWriter.ts"
import { AuditService } from "../../../src/services/AuditService.ts"
import type { BacklogAt } from "../../../src/services/AuditService.ts"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { KeyframeSchedule } from "../../../src/services/audit/writeKeyframes.ts"
import { BacklogSchema } from "../../../src/sql/SchemaName.ts"
import { simulate } from "../../../src/testing/index.ts"
import { currentClient, headPosition, plain, tables } from "../../support/backlogs.ts"
import { onBothDatabases, onServer, type Test } from "../../support/databases.ts"
import { pool } from "../../support/pools.ts"
import { until } from "../../support/waiting.ts"

const interval = 7

/** The audit service of another process, with keyframes every few events. */
const auditWith = Effect.fnUntraced(function* (
  schedule: Context.Service.Shape<typeof KeyframeSchedule>,
  every = interval
) {
  const client = yield* currentClient
  const schema = yield* BacklogSchema
  const context = yield* Layer.build(
    Layer.fresh(AuditService.layer).pipe(
      Layer.provide([
        client,
        Layer.succeed(BacklogSchema)(schema),
        Layer.succeed(KeyframeInterval)(every),
        Layer.succeed(KeyframeSchedule)(schedule)
      ])
    )
  )
  return Context.get(context, AuditService)
})

const withWriter = Effect.gen(function* () {
  const { schema, sql } = yield* tables
  const log = Context.get(yield* Layer.build(Layer.fresh(EventLog.layer)), EventLog)
  const keyframes = makeKeyframes(sql, schema, log, interval)
  const makeWriter = () => makeKeyframeWriter(sql, schema, log, keyframes, interval)
  /** Writes all keyframes that are due, each in a writer of its own or all in one. */
  const writeAll = Effect.fnUntraced(function* (isRestarted: boolean) {
    const end = yield* headPosition
    let writer = makeWriter()
    while (yield* writer.writeNext(end)) if (isRestarted) writer = makeWriter()
  })
  const table = sql(`${schema}.keyframes`)
  const rows = sql<{ readonly position: number; readonly base: number; readonly data: string }>`
    SELECT position::int4 AS position, base::int4 AS base, part, encode(data, 'hex') AS data FROM ${table} ORDER BY position, part`
  return { end: headPosition, makeWriter, rows, sql, table, writeAll }
})

/** A random history with every kind of event, among them edges to cards that are created later. */
const makeHistory = Effect.gen(function* () {
  const backlog = yield* BacklogService
  yield* simulate({ seed: 5, programs: 6, steps: 20 })
  yield* backlog.create({
    id: "z early",
    title: "T",
    dependsOn: ["z missing", "z never"],
    labels: ["x", "y"],
    actor: "ann"
  })
  // A keyframe has its dependency as missing, and a later one creates it.
  yield* backlog.create({ id: "z waits", title: "T", dependsOn: ["z missing"], actor: "ann" })
  yield* backlog.createMany({
    cards: Array.from({ length: 2 * interval }, (_, index) => ({ id: `z first ${index}`, title: "T" })),
    actor: "ann"
  })
  yield* backlog.create({
    id: "z missing",
    title: "T",
    notBefore: DateTime.makeUnsafe("2030-01-01T00:00:00Z"),
    actor: "ann"
  })
  yield* backlog.complete({ id: "z missing", actor: "ann" })
  // More than as many events as lead to a second keyframe with all cards.
  yield* backlog.createMany({
    cards: Array.from({ length: 25 * interval }, (_, index) => ({
      id: `z filler ${index}`,
      title: "T",
      phase: `p${index % 3}`,
      priority: index
    })),
    actor: "ann"
  })
  yield* backlog.reopen({ id: "z missing", actor: "ann" })
})

const lists = [
  {},
  { order: "changed", limit: 5 },
  { order: "created", limit: 7 },
  { order: "completed" },
  { claimability: "claimable", limit: 3 },
  { claimability: "waiting" },
  { claimability: "deferred" },
  { claimability: "expired" },
  { status: ["ready", "done"], minPriority: 0, labels: ["x"] },
  { phase: "p1", withoutLabels: ["x"] }
] as const

const describe = Effect.fnUntraced(function* (past: BacklogAt) {
  const listed: Array<ReadonlyArray<unknown>> = []
  for (const options of lists) listed.push((yield* past.list(options)).map(plain))
  const all = yield* past.list()
  const middle: Card | undefined = all[Math.floor(all.length / 2)]
  if (middle !== undefined) {
    listed.push((yield* past.list({ after: middle.id, limit: 4 })).map(({ id }) => id))
    listed.push((yield* past.list({ before: middle.id, limit: 4 })).map(({ id }) => id))
    listed.push([yield* past.explain(middle.id)])
    listed.push([yield* past.neighbourhood({ id: middle.id, hops: 3 }), yield* past.impact(middle.id)])
    listed.push(yield* past.dependents({ id: middle.id }), yield* past.criticalPath())
  }
  return { stats: past.stats, listed }
})

const reading = (test: Test): void => {
  test(
    "past states are the same with and without keyframes, at every position",
    Effect.gen(function* () {
      yield* makeHistory
      const { rows, writeAll } = yield* withWriter
      const audit = yield* AuditService
      const end = yield* headPosition
      yield* writeAll(false)
      expect((yield* rows).map(({ position }) => position)).toEqual(
        Array.from({ length: Math.floor(end / interval) }, (_, index) => (index + 1) * interval)
      )
      const withKeyframes = yield* auditWith("off")
      // An interval beyond the log: folds the events from the beginning.
      const withEvents = audit
      // An interval of 0: there is no keyframe near enough, so the log is read card by card.
      const withStreams = yield* auditWith("off", 0)
      const positions = [
        ...Array.from({ length: end + 1 }, (_, position) => position).filter(
          (position) => position % (position < 60 ? 3 : 11) === 0
        ),
        end,
        end - 1,
        end - 9,
        3,
        4
      ]
      for (const position of positions) {
        const expected = yield* describe(yield* withEvents.backlogAt({ position }))
        expect(yield* describe(yield* withKeyframes.backlogAt({ position }))).toEqual(expected)
        if (position % 9 === 0) expect(yield* describe(yield* withStreams.backlogAt({ position }))).toEqual(expected)
      }
    })
  )

  test(
    "keyframes that are written one by one, in other processes, and again after they were deleted are the same",
    Effect.gen(function* () {
      yield* makeHistory
      const { rows, sql, table, writeAll } = yield* withWriter
      yield* writeAll(false)
      const first = yield* rows
      expect(new Set(first.map(({ base }) => base)).size).toBeGreaterThan(1)
      yield* sql`DELETE FROM ${table}`
      yield* writeAll(true)
      expect(yield* rows).toEqual(first)
      const [some, other] = [first[3]?.position ?? 0, first[20]?.position ?? 0]
      yield* sql`DELETE FROM ${table} WHERE position IN (${BigInt(some)}::int8, ${BigInt(other)}::int8)`
      yield* writeAll(false)
      expect(yield* rows).toEqual(first)
      // Damaged ones are written again when the next one is due, and are never used.
      yield* sql`UPDATE ${table} SET data = '\\x00' WHERE position = ${BigInt(some)}::int8`
      const audit = yield* auditWith("off")
      const expected = yield* describe(yield* (yield* AuditService).backlogAt({ position: some + 1 }))
      expect(yield* describe(yield* audit.backlogAt({ position: some + 1 }))).toEqual(expected)
      yield* sql`DELETE FROM ${table} WHERE position = ${BigInt(some + interval)}::int8`
      yield* writeAll(true)
      expect(yield* rows).toEqual(first)
    })
  )

  test(
    "a keyframe that was written again is read again, and one of another log is not used",
    Effect.gen(function* () {
      yield* makeHistory
      const { rows, sql, table, writeAll } = yield* withWriter
      yield* writeAll(false)
      const audit = yield* auditWith("off")
      const total = Effect.map(audit.backlogAt({ position: interval + 1 }), ({ stats }) => stats.total)
      const right = yield* total
      const later = (yield* rows).find(({ base, position }) => base === position && position > interval)?.position ?? 0
      // A valid keyframe of more cards.
      yield* sql`
        UPDATE ${table} SET data = other.data, cards = other.cards, written_at = clock_timestamp()
        FROM (SELECT data, cards FROM ${table} WHERE position = ${BigInt(later)}::int8 AND part = 0) AS other
        WHERE position = ${BigInt(interval)}::int8`
      expect(yield* total).toBeGreaterThan(right)
      yield* sql`UPDATE ${table} SET chain_hash = sha256(''), written_at = clock_timestamp() WHERE position = ${BigInt(interval)}::int8`
      expect(yield* total).toBe(right)
      yield* sql`DELETE FROM ${table}`
    })
  )

  test(
    "a process writes keyframes in the background, and a rebuild deletes them",
    Effect.gen(function* () {
      yield* makeHistory
      const { rows } = yield* withWriter
      const end = yield* headPosition
      const written = Effect.map(rows, (found) => new Set(found.map(({ position }) => position)).size)
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* auditWith({ first: "1 millis", interval: "5 millis" })
          yield* until(Effect.map(written, (count) => count === Math.floor(end / interval)))
        })
      )
      const audit = yield* AuditService
      expect((yield* audit.verify()).divergences).toEqual([])
      yield* audit.rebuild()
      expect(yield* written).toBe(0)
    })
  )

  test(
    "verification finds changed, removed and foreign keyframes, and trusts none",
    Effect.gen(function* () {
      yield* makeHistory
      const { sql, table, writeAll } = yield* withWriter
      yield* writeAll(false)
      const audit = yield* AuditService
      expect((yield* audit.verify()).divergences).toEqual([])
      const [{ whole, changes } = { whole: 0, changes: 0 }] = yield* sql<{
        readonly whole: number
        readonly changes: number
      }>`
        SELECT max(position) FILTER (WHERE base = position)::int4 AS whole, max(position) FILTER (WHERE base < position)::int4 AS changes
        FROM ${table}`
      const tampered = Effect.fnUntraced(function* (statement: Effect.Effect<unknown, unknown>) {
        yield* statement
        const { divergences } = yield* audit.verify()
        expect(new Set(divergences.map(({ check }) => check))).toEqual(new Set(["keyframes"]))
        yield* sql`DELETE FROM ${table}`
        yield* writeAll(false)
        return divergences.map(({ position }) => position)
      })
      for (const position of [whole, changes]) {
        const at = sql`position = ${BigInt(position)}::int8`
        expect(yield* tampered(sql`UPDATE ${table} SET data = substr(data, 2) WHERE ${at}`)).toContain(position)
        expect(yield* tampered(sql`UPDATE ${table} SET chain_hash = sha256('') WHERE ${at}`)).toEqual([position])
        // The data of another keyframe.
        const other = sql`(SELECT data FROM ${table} WHERE position = ${BigInt(interval)}::int8)`
        expect(yield* tampered(sql`UPDATE ${table} SET data = ${other} WHERE ${at}`)).toContain(position)
      }
      expect(
        yield* tampered(sql`UPDATE ${table} SET position = 1000000 WHERE position = ${BigInt(changes)}::int8`)
      ).toContain(1_000_000)
    })
  )

  test(
    "a transaction reads its own events in the past, and no other reader does after it is rolled back",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const sql = yield* SqlClient.SqlClient
      const audit = yield* AuditService
      yield* backlog.create({ id: "a", title: "T", actor: "ann" })
      const inside = Effect.gen(function* () {
        yield* backlog.create({ id: "rolled back", title: "T", actor: "ann" })
        expect((yield* audit.backlogAt({ position: 2 })).stats.total).toBe(2)
        return yield* Effect.fail("rolled back" as const)
      })
      expect(yield* Effect.flip(sql.withTransaction(inside))).toBe("rolled back")
      yield* backlog.create({ id: "b", title: "T", actor: "ann" })
      const past = yield* audit.backlogAt({ position: 2 })
      expect((yield* Stream.runCollect(past.cards())).map(({ id }) => id)).toEqual(["a", "b"])
      expect(Option.isNone(yield* past.get("rolled back"))).toBe(true)
    })
  )
}

onBothDatabases("keyframes", reading)

onServer("keyframes of several processes", (test) => {
  test(
    "are written by one of them at a time, and the others cause no error on the server",
    Effect.gen(function* () {
      yield* makeHistory
      const { end, makeWriter, rows, table } = yield* withWriter
      const upTo = yield* end
      const other = yield* pool()
      yield* other.sql.withTransaction(
        Effect.gen(function* () {
          yield* other.sql`LOCK TABLE ${table} IN SHARE UPDATE EXCLUSIVE MODE`
          expect(yield* makeWriter().writeNext(upTo)).toBe(false)
        })
      )
      expect(yield* rows).toEqual([])
      expect(yield* makeWriter().writeNext(upTo)).toBe(true)
    })
  )
})
