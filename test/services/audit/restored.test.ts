import { DateTime, Effect, Fiber, Layer, Option, Schedule, type Scope, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { expect } from "vitest"
import { AuditService } from "../../../src/services/AuditService.ts"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { diagnose } from "../../../src/services/doctor/diagnose.ts"
import { Doctor } from "../../../src/services/doctor/Doctor.ts"
import { BacklogTestClock } from "../../../src/services/layers.ts"
import { LogChecker, simulate } from "../../../src/testing/index.ts"
import { eventsOf, freshBacklog, headPosition, postgresClient, tables, within } from "../../support/backlogs.ts"
import { onBothDatabases, onServer } from "../../support/databases.ts"
import { saveBacklog } from "../../support/snapshot.ts"
import { amount, report, seed } from "../../support/soak.ts"

const claim = (owner: string, id = "a") =>
  Effect.flatMap(BacklogService, (backlog) =>
    Effect.map(backlog.claim({ owner, id, actor: owner, ttlSeconds: 60 }), (card) => Option.getOrThrow(card))
  )

const tokenOf = (owner: string, id?: string) => Effect.map(claim(owner, id), ({ claimToken }) => claimToken ?? 0)

const create = (id: string) =>
  Effect.flatMap(BacklogService, (backlog) => backlog.create({ id, title: id, actor: "ann" }))

const restored = Effect.flatMap(AuditService, (audit) => audit.restored({ actor: "ops" }))

const generation = Effect.gen(function* () {
  const { head, sql } = yield* tables
  const [row] = yield* sql<{ readonly generation: number; readonly reason: string | null; readonly server: string }>`
    SELECT generation::float8 AS generation, generation_reason AS reason, server FROM ${head}`
  return row ?? { generation: -1, reason: null, server: "" }
})

const doctorSays = Effect.gen(function* () {
  const { examine } = yield* Doctor
  return diagnose(yield* examine).filter(({ check }) => check === "generation")
}).pipe(Effect.provide(Layer.fresh(Doctor.layer)))

onBothDatabases("after a restore", (test) => {
  test(
    "a worker that claimed after the backup cannot act on the claim of another worker",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* create("a")
      const restore = yield* saveBacklog
      const lost = yield* tokenOf("a")
      yield* restore
      // Versions repeat: without a new generation the token would repeat too.
      expect((yield* backlog.explain("a")).status).toBe("ready")
      yield* restored
      const { claimToken, version } = yield* claim("b")
      expect([lost, version]).toEqual([2, 2])
      expect(claimToken).not.toBe(lost)
      const stale = { id: "a", token: lost, actor: "a" }
      for (const attempt of [backlog.complete(stale), backlog.renew(stale), backlog.release(stale)]) {
        expect(yield* Effect.flip(attempt)).toMatchObject({ _tag: "ClaimLost", token: lost, holder: "b" })
      }
      yield* backlog.renew({ id: "a", token: claimToken ?? 0, ttlSeconds: 90, actor: "b" })
      const done = yield* backlog.complete({ id: "a", token: claimToken ?? 0, actor: "b" })
      expect(done.status).toBe("done")
    })
  )

  test(
    "every live claim is ended with its owner, token and reason, and the log before does not change",
    Effect.gen(function* () {
      const audit = yield* AuditService
      for (const id of ["a", "b", "c", "d"]) yield* create(id)
      const tokens = [yield* tokenOf("one", "c"), yield* tokenOf("two", "a")]
      yield* (yield* BacklogService).complete({ id: "d", actor: "ann" })
      const clock = yield* BacklogTestClock
      yield* clock.advance("2 minutes")
      const fresh = yield* tokenOf("three", "b")
      const anchor = yield* audit.anchor()
      const first = yield* audit.restored({ actor: "ops" })
      expect(first.reclaimed).toEqual(["a", "b", "c"])
      for (const [id, owner, token] of [
        ["a", "two", tokens[1]],
        ["b", "three", fresh],
        ["c", "one", tokens[0]]
      ] as const) {
        expect((yield* eventsOf(id)).at(-1)).toMatchObject({ type: "CardReclaimed", owner, token, why: "restored" })
      }
      expect((yield* audit.verify({ anchor })).divergences).toEqual([])
      const position = yield* headPosition
      // A second call begins another generation and reclaims nothing.
      const second = yield* audit.restored({ actor: "ops" })
      expect(second.reclaimed).toEqual([])
      expect(second.generation).toBeGreaterThan(first.generation)
      expect(yield* headPosition).toBe(position)
      expect(yield* generation).toMatchObject({ generation: second.generation, reason: "restored" })
      const [finding] = yield* doctorSays
      expect(finding).toMatchObject({ level: "ok", what: expect.stringContaining(String(second.generation)) })
    })
  )

  test(
    "repeated restores of one backup never issue the same token twice",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const clock = yield* BacklogTestClock
      yield* create("a")
      const restore = yield* saveBacklog
      const seen = new Set<number>()
      for (let life = 0; life < 4; life++) {
        for (let tries = 0; tries < 5; tries++) {
          const token = yield* tokenOf("w")
          expect(seen.has(token)).toBe(false)
          seen.add(token)
          yield* clock.advance("1 millis")
          yield* backlog.release({ id: "a", token, actor: "w" })
        }
        yield* restore
        yield* restored
      }
      expect(seen.size).toBe(20)
      expect(Math.max(...seen)).toBeLessThan(2 ** 53)
    })
  )

  test(
    "with a clock that was set back, a new generation is greater than those in the log",
    Effect.gen(function* () {
      const clock = yield* BacklogTestClock
      yield* create("a")
      const first = yield* restored
      const token = yield* tokenOf("w")
      yield* clock.set(DateTime.makeUnsafe("2025-06-01T00:00:00Z"))
      const second = yield* restored
      expect(second.generation).toBeGreaterThanOrEqual(first.generation + 2 ** 31)
      expect(yield* tokenOf("w")).toBeGreaterThan(token)
    })
  )

  test(
    "an imported log begins a later generation than its claims, even if the clock is behind",
    Effect.gen(function* () {
      const audit = yield* AuditService
      yield* create("a")
      const before = yield* restored
      const token = yield* tokenOf("w")
      const lines = yield* Stream.runCollect(audit.exportLog)
      const other = yield* Layer.build(Layer.fresh(freshBacklog))
      yield* within(other)(
        Effect.gen(function* () {
          const { set } = yield* BacklogTestClock
          yield* set(DateTime.makeUnsafe("2025-06-01T00:00:00Z"))
          const importing = yield* AuditService
          const file = Stream.fromIterable(Array.from(lines, (text, index) => ({ number: index + 1, text })))
          const imported = yield* importing.importLog(file, { actor: "mover" })
          expect(imported).toMatchObject({ events: 2, reclaimed: ["a"] })
          expect(imported.generation).toBeGreaterThanOrEqual(before.generation + 2 ** 31)
          const [, , reclaimed] = yield* Stream.runCollect(importing.history("a"))
          expect(reclaimed).toMatchObject({ actor: "mover", data: { owner: "w", token, why: "restored" } })
          expect(yield* tokenOf("v")).toBe(imported.generation + 4)
          expect(yield* generation).toMatchObject({ reason: "imported" })
        })
      )
    })
  )

  test(
    "a log on another server begins a generation with the next command, and keeps its claims",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const { head, sql } = yield* tables
      yield* create("a")
      yield* create("b")
      const token = yield* tokenOf("w")
      const { server } = yield* generation
      expect(server).toMatch(/^0000000\d\/\d+\/\d+$/)
      expect((yield* doctorSays).map(({ level }) => level)).toEqual(["ok"])
      // A restart of the same server begins no generation.
      yield* sql`UPDATE ${head} SET server_started = NULL`
      yield* create("z")
      expect(yield* generation).toMatchObject({ generation: 0, reason: null, server })
      yield* sql`UPDATE ${head} SET server = '00000001/1/2', server_started = '2026-01-01Z'`
      expect((yield* doctorSays).map(({ level }) => level)).toEqual(["warning"])
      const next = yield* tokenOf("w", "b")
      const moved = yield* generation
      expect(moved).toMatchObject({ reason: "moved", server })
      expect(next).toBe(moved.generation + 2)
      const [finding] = yield* doctorSays
      expect(finding).toMatchObject({ level: "warning", toDo: expect.stringContaining("backlog restored") })
      yield* backlog.complete({ id: "a", token, actor: "w" })
      // Later commands begin no generation, because the server is recorded.
      yield* create("c")
      expect(yield* generation).toEqual(moved)
      yield* restored
      expect((yield* doctorSays).map(({ level }) => level)).toEqual(["ok"])
    })
  )

  test(
    "a new timeline begins a generation with any next command, and keeps the claims",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const { head, sql } = yield* tables
      yield* create("a")
      yield* create("b")
      const token = yield* tokenOf("w")
      const { server } = yield* generation
      yield* sql`UPDATE ${head} SET server = '00000000' || substr(server, 9), server_started = NULL`
      expect((yield* doctorSays).map(({ level }) => level)).toEqual(["ok"])
      yield* backlog.renew({ id: "a", token, ttlSeconds: 90, actor: "w" })
      const failedOver = yield* generation
      expect(failedOver).toMatchObject({ reason: "failover", server })
      expect(yield* tokenOf("w", "b")).toBe(failedOver.generation + 2)
      yield* backlog.complete({ id: "a", token, actor: "w" })
      yield* sql`UPDATE ${head} SET server = '00000000' || substr(server, 9), server_started = NULL`
      yield* (yield* AuditService).redact({ id: "b", parts: ["title"], reason: "secret", actor: "ann" })
      expect((yield* generation).generation).toBeGreaterThan(failedOver.generation)
    })
  )

  test(
    "is refused in a transaction",
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      expect(yield* Effect.flip(sql.withTransaction(restored))).toMatchObject({ _tag: "InvalidInput" })
    })
  )

  test(
    "a damaged upper part of a token is a divergence",
    Effect.gen(function* () {
      const { cards, sql } = yield* tables
      yield* create("a")
      yield* tokenOf("w")
      yield* sql`UPDATE ${cards} SET claim_token_high = 1`
      const audit = yield* AuditService
      expect((yield* audit.verify()).divergences).toMatchObject([{ field: "claimToken", expected: "2" }])
      expect((yield* audit.rebuild()).verification.divergences).toEqual([])
    })
  )

  test(
    "old tokens are never accepted after any commands of workers, as in the model",
    Effect.gen(function* () {
      const audit = yield* AuditService
      let restore: Effect.Effect<void, unknown> = Effect.void
      const context = yield* Effect.context<SqlClient.SqlClient | Scope.Scope>()
      const save = Effect.map(Effect.provideContext(saveBacklog, context), (effect) => {
        restore = effect
      })
      const restoring = {
        restore: Effect.gen(function* () {
          yield* Effect.orDie(restore)
          return (yield* audit.restored({ actor: "ops" })).generation
        })
      }
      report({
        ...(yield* simulate({ seed: seed * 100_000, programs: amount(4, 200), backup: { ...restoring, save } }))
      })
      const check = new LogChecker()
      const violations: Array<string> = []
      yield* Stream.runForEach(audit.events(), (event) =>
        Effect.sync(() => {
          violations.push(...check.add(event))
        })
      )
      expect(violations).toEqual([])
    })
  )
})

onServer("a new generation", (test) => {
  test(
    "ends a claim that was decided before it",
    Effect.gen(function* () {
      const { head, schema, sql } = yield* tables
      yield* create("a")
      const others = yield* Layer.build(postgresClient(1))
      const mine = yield* Effect.context<BacklogService>()
      // The claim is already decided when it waits for the head, which the other transaction has locked.
      const token = yield* Effect.gen(function* () {
        const other = yield* SqlClient.SqlClient
        const claiming = yield* other.withTransaction(
          Effect.gen(function* () {
            yield* other`SELECT position FROM ${head} FOR UPDATE`
            const fiber = yield* Effect.forkDetach(Effect.provideContext(tokenOf("w"), mine))
            yield* Effect.repeat(
              sql<{ readonly waiting: number }>`
                SELECT count(*)::int4 AS waiting FROM pg_stat_activity
                WHERE wait_event_type = 'Lock' AND query LIKE ${`%${schema}%append_and_project%`}`,
              { until: ([row]) => (row?.waiting ?? 0) > 0, schedule: Schedule.spaced("10 millis") }
            )
            yield* other`UPDATE ${head} SET generation = 4294967296, generation_reason = 'restored', generation_since = now()`
            return fiber
          })
        )
        return yield* Fiber.join(claiming)
      }).pipe(Effect.provideContext(others))
      expect(token).toBe(2 ** 32 + 2)
    })
  )

  test(
    "ends every older claim while workers continue to claim",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      const cards = Array.from({ length: 60 }, (_, index) => ({ id: `c${index}`, title: "T" }))
      yield* backlog.createMany({ cards, actor: "ann" })
      const worker = (name: string) =>
        Effect.gen(function* () {
          const tokens: Array<readonly [string, number]> = []
          for (;;) {
            const card = yield* backlog.claim({ owner: name, actor: name })
            if (Option.isNone(card)) return tokens
            tokens.push([card.value.id, card.value.claimToken ?? 0])
            if (tokens.length >= 15) return tokens
          }
        })
      const workers = yield* Effect.forkChild(Effect.forEach(["w1", "w2", "w3"], worker, { concurrency: "unbounded" }))
      const { generation: begun, reclaimed } = yield* audit.restored({ actor: "ops" })
      const tokens = (yield* Fiber.join(workers)).flat()
      const older = tokens.filter(([, token]) => token <= begun)
      expect([...reclaimed].sort()).toEqual(older.map(([id]) => id).sort())
      for (const [id, token] of older) {
        expect(yield* Effect.flip(backlog.complete({ id, token, actor: "w" }))).toMatchObject({ _tag: "ClaimLost" })
      }
    })
  )
})
