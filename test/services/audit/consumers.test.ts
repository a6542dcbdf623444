import { Cause, Deferred, Effect, Exit, Fiber, Option, Schema } from "effect"
import { SqlClient } from "effect/sql"
import type { RecordedEvent } from "../../../src/events/RecordedEvent.ts"
import type { ConsumeInput } from "../../../src/services/AuditInput.ts"
import { AuditService } from "../../../src/services/AuditService.ts"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { InvalidInput } from "../../../src/services/decodeInput.ts"
import { headPosition, tables } from "../../support/backlogs.ts"
import { onBothDatabases, onServer, type Test } from "../../support/databases.ts"
import { pool } from "../../support/pools.ts"
import { until } from "../../support/waiting.ts"
import { expect } from "vitest"

class Refused extends Schema.TaggedError<Refused>()("Refused", { position: Schema.Int }) {}

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1)

/** Cards of one event each. */
const createCards = (count: number, prefix = "c") =>
  Effect.flatMap(BacklogService, (backlog) =>
    backlog.createMany({ actor: "ann", cards: upTo(count).map((index) => ({ id: `${prefix}${index}`, title: "T" })) })
  )

/** A table with a row for every handled event, and a handler that writes to it. */
const withSeen = Effect.gen(function* () {
  const { schema, sql } = yield* tables
  const seen = sql(`${schema}.seen`)
  yield* sql`CREATE TABLE ${seen} (place bigserial, position int8, consumer text)`
  const audit = yield* AuditService
  const write = (consumer: string, event: RecordedEvent, client = sql) =>
    client`INSERT INTO ${seen} (position, consumer) VALUES (${BigInt(event.position)}::int8, ${consumer})`
  return {
    sql,
    audit,
    write,
    /** A consumer that writes a row and then runs an effect. */
    consume: <E>(
      options: Omit<ConsumeInput<E, never>, "handler">,
      more: (event: RecordedEvent) => Effect.Effect<void, E> = () => Effect.void
    ) =>
      audit.consume({
        ...options,
        handler: (event) => Effect.andThen(write(options.consumer, event), more(event))
      }),
    seen: (consumer: string) =>
      Effect.map(
        sql<{ readonly position: number }>`
          SELECT position::float8 AS position FROM ${seen} WHERE consumer = ${consumer} ORDER BY place`,
        (rows) => rows.map(({ position }) => position)
      ),
    at: Effect.fnUntraced(function* (consumer: string) {
      return Option.getOrUndefined(yield* audit.checkpoint(consumer))?.position
    })
  }
})

const handling = (test: Test): void => {
  test(
    "handles every event once with any batch size and continues from the checkpoint",
    Effect.gen(function* () {
      const { at, audit, consume, seen } = yield* withSeen
      expect(yield* consume({ consumer: "early" })).toBe(0)
      expect(yield* at("early")).toBe(0)
      yield* createCards(10)
      for (const batchSize of [1, 3, 5, 9, 10, 11, undefined]) {
        const consumer = `in batches of ${batchSize}`
        expect(yield* consume({ consumer, batchSize })).toBe(10)
        expect(yield* seen(consumer)).toEqual(upTo(10))
        expect(yield* at(consumer)).toBe(10)
        expect(yield* consume({ consumer, batchSize })).toBe(0)
      }
      expect(yield* consume({ consumer: "early" })).toBe(10)
      yield* createCards(3, "d")
      expect(yield* consume({ consumer: "early" })).toBe(3)
      expect(yield* seen("early")).toEqual(upTo(13))
      expect((yield* audit.checkpoints).map(({ consumer, position }) => [consumer, position]).slice(0, 2)).toEqual([
        ["early", 13],
        ["in batches of 1", 10]
      ])
    })
  )

  test(
    "reads a log of many pages in small batches",
    Effect.gen(function* () {
      const { consume, seen } = yield* withSeen
      yield* createCards(4_300)
      expect(yield* consume({ consumer: "c", batchSize: 700 })).toBe(4_300)
      expect(yield* seen("c")).toEqual(upTo(4_300))
    })
  )

  test(
    "handles only the events of its filter, and moves the checkpoint past the others",
    Effect.gen(function* () {
      const { at, consume, seen } = yield* withSeen
      const backlog = yield* BacklogService
      yield* createCards(20)
      for (const index of [3, 7, 11]) yield* backlog.claim({ id: `c${index}`, owner: "w", actor: "w" })
      yield* createCards(5, "d")
      expect(yield* consume({ consumer: "claims", type: "CardClaimed", batchSize: 2 })).toBe(3)
      expect(yield* seen("claims")).toEqual([21, 22, 23])
      expect(yield* at("claims")).toBe(28)
      expect(yield* consume({ consumer: "none", actor: "nobody" })).toBe(0)
      expect(yield* at("none")).toBe(28)
      expect(yield* consume({ consumer: "card", cardId: "c7" })).toBe(2)
      expect(yield* seen("card")).toEqual([7, 22])
    })
  )

  test(
    "commits the events before the handler's failure, ends with it, and resumes at the failed event",
    Effect.gen(function* () {
      const { at, consume, seen } = yield* withSeen
      yield* createCards(10)
      let broken = true
      const failing = (batchSize: number) =>
        consume({ consumer: "c", batchSize }, ({ position }) =>
          position === 7 && broken ? Effect.fail(new Refused({ position })) : Effect.void
        )
      for (const batchSize of [100, 4, 1]) {
        expect(yield* Effect.flip(failing(batchSize))).toEqual(new Refused({ position: 7 }))
        // The writes of the handler for the failed event are rolled back.
        expect(yield* seen("c")).toEqual(upTo(6))
        expect(yield* at("c")).toBe(6)
      }
      broken = false
      expect(yield* failing(4)).toBe(4)
      expect(yield* seen("c")).toEqual(upTo(10))
    })
  )

  test(
    "ends with a defect of the handler and with an error of its statements in the same way",
    Effect.gen(function* () {
      const { at, consume, seen, sql } = yield* withSeen
      yield* createCards(4)
      const defect = yield* Effect.exit(
        consume({ consumer: "c" }, ({ position }) => (position === 3 ? Effect.die(new Error("broken")) : Effect.void))
      )
      expect(Exit.isFailure(defect) && Cause.hasDies(defect.cause)).toBe(true)
      expect([yield* seen("c"), yield* at("c")]).toEqual([[1, 2], 2])
      const wrong = yield* Effect.flip(
        consume({ consumer: "c" }, ({ position }) => (position === 4 ? Effect.asVoid(sql`SELECT 1 / 0`) : Effect.void))
      )
      expect(wrong).toMatchObject({ _tag: "SqlError" })
      expect([yield* seen("c"), yield* at("c")]).toEqual([[1, 2, 3], 3])
    })
  )

  test(
    "rolls back a batch that is interrupted",
    Effect.gen(function* () {
      const { at, consume, seen } = yield* withSeen
      yield* createCards(6)
      const isThere = yield* Deferred.make<void>()
      const running = yield* Effect.forkScoped(
        consume({ consumer: "c", batchSize: 2 }, ({ position }) =>
          position === 4 ? Effect.andThen(Deferred.succeed(isThere, undefined), Effect.never) : Effect.void
        )
      )
      yield* Deferred.await(isThere)
      yield* Fiber.interrupt(running)
      expect([yield* seen("c"), yield* at("c")]).toEqual([[1, 2], 2])
      expect(yield* consume({ consumer: "c" })).toBe(4)
      expect(yield* seen("c")).toEqual(upTo(6))
    })
  )

  test(
    "allows commands in the handler, whose events come later in the same feed",
    Effect.gen(function* () {
      const { audit } = yield* withSeen
      const backlog = yield* BacklogService
      yield* createCards(5)
      const handler = (event: RecordedEvent) =>
        event.type === "CardCreated"
          ? Effect.asVoid(Effect.orDie(backlog.complete({ id: event.cardId, actor: "consumer" })))
          : Effect.void
      expect(yield* audit.consume({ consumer: "c", batchSize: 2, handler })).toBe(5)
      expect(yield* audit.consume({ consumer: "c", batchSize: 2, handler })).toBe(5)
      expect((yield* backlog.stats).counts.done).toBe(5)
      expect(yield* headPosition).toBe(10)
    })
  )

  test(
    "continues with new events once it has caught up",
    Effect.gen(function* () {
      const { at, consume, seen } = yield* withSeen
      yield* createCards(5)
      const running = yield* Effect.forkScoped(consume({ consumer: "c", follow: true, batchSize: 3 }))
      for (const count of upTo(4)) {
        yield* until(Effect.map(at("c"), (position) => position === 5 * count))
        yield* createCards(5, `more${count}-`)
      }
      yield* until(Effect.map(at("c"), (position) => position === 25))
      yield* Fiber.interrupt(running)
      expect(yield* seen("c")).toEqual(upTo(25))
    })
  )
}

const parking = (test: Test): void => {
  test(
    "parks an event that fails too often with the reason, and rolls back its writes",
    Effect.gen(function* () {
      const { at, audit, consume, seen } = yield* withSeen
      yield* createCards(8)
      const tries = new Map<number, number>()
      const handled = yield* consume({ consumer: "c", batchSize: 3, parkAfter: 3 }, ({ position }) => {
        const count = (tries.get(position) ?? 0) + 1
        tries.set(position, count)
        if (position === 2) return Effect.fail(new Refused({ position }))
        // A reason must be text that Postgres can store.
        if (position === 5) return Effect.die(new Error("broken\u0000by a defect \ud800"))
        return position === 7 && count < 3 ? Effect.fail(new Refused({ position })) : Effect.void
      })
      expect(handled).toBe(6)
      expect(yield* seen("c")).toEqual([1, 3, 4, 6, 7, 8])
      expect(yield* at("c")).toBe(8)
      expect([...tries]).toEqual(
        [1, 2, 3, 4, 5, 6, 7, 8].map((position) => [position, [2, 5, 7].includes(position) ? 3 : 1])
      )
      const parked = yield* audit.parked("c")
      expect(parked.map(({ consumer, position }) => [consumer, position])).toEqual([
        ["c", 2],
        ["c", 5]
      ])
      expect(parked[0]?.reason).toContain("Refused")
      expect(parked[1]?.reason).toContain("by a defect")
      expect(yield* consume({ consumer: "c" })).toBe(0)
    })
  )

  test(
    "a handler that does not return an effect fails like one with a defect, and leaves no transaction open",
    Effect.gen(function* () {
      const { at, audit, consume, seen } = yield* withSeen
      yield* createCards(2)
      // oxlint-disable-next-line unicorn/no-thenable -- it must not be taken for a promise
      const returned: ReadonlyArray<unknown> = [undefined, 1, Promise.resolve(), () => Effect.void, { then: 1 }]
      for (const value of returned) {
        const wrong = audit.consume({ consumer: "c", handler: () => value as Effect.Effect<void> })
        const exit = yield* Effect.exit(wrong)
        expect(Exit.isFailure(exit) && Cause.pretty(exit.cause)).toContain(
          "handler must return an Effect, and returned "
        )
        expect(yield* at("c")).toBe(0)
      }
      const options = { consumer: "parking", parkAfter: 1, handler: () => undefined as unknown as Effect.Effect<void> }
      expect(yield* audit.consume(options)).toBe(0)
      const [parked] = yield* audit.parked("parking")
      expect(parked?.reason).toContain("handler must return an Effect, and returned undefined.")
      expect(yield* consume({ consumer: "c" })).toBe(2)
      expect(yield* seen("c")).toEqual(upTo(2))
    })
  )

  test(
    "lists parked events until they are unparked",
    Effect.gen(function* () {
      const { audit, consume } = yield* withSeen
      yield* createCards(3)
      expect(yield* audit.parked()).toEqual([])
      for (const consumer of ["two", "one"]) {
        yield* consume({ consumer, parkAfter: 1 }, ({ position }) =>
          position === 2 ? Effect.fail(new Refused({ position })) : Effect.void
        )
      }
      yield* audit.park("one", 3, "by hand")
      yield* audit.park("one", 3, "by hand, for a better reason")
      const list = Effect.map(audit.parked(), (parked) => parked.map(({ consumer, position }) => [consumer, position]))
      expect(yield* list).toEqual([
        ["one", 2],
        ["one", 3],
        ["two", 2]
      ])
      expect((yield* audit.parked("one"))[1]?.reason).toBe("by hand, for a better reason")
      expect(yield* audit.parked("three")).toEqual([])
      expect(yield* audit.unpark("one", 2)).toBe(true)
      expect(yield* audit.unpark("one", 2)).toBe(false)
      expect(yield* audit.unpark("two", 3)).toBe(false)
      expect(yield* list).toEqual([
        ["one", 3],
        ["two", 2]
      ])
      for (const wrong of [audit.park("", 1, "r"), audit.park("c", 0, "r"), audit.park("c", 1, "\u0000")]) {
        expect(yield* Effect.flip(wrong)).toBeInstanceOf(InvalidInput)
      }
    })
  )
}

const checkpoints = (test: Test): void => {
  test(
    "moves a checkpoint only from its position, and only forward",
    Effect.gen(function* () {
      const { at, audit, sql } = yield* withSeen
      yield* createCards(9)
      expect(Option.isNone(yield* audit.checkpoint("c"))).toBe(true)
      yield* audit.advance("c", 0, 4)
      expect(yield* Effect.flip(audit.advance("c", 0, 5))).toMatchObject({
        _tag: "CheckpointMoved",
        consumer: "c",
        expected: 0,
        found: 4
      })
      expect(yield* Effect.flip(audit.advance("new", 3, 5))).toMatchObject({ _tag: "CheckpointMoved", found: 0 })
      expect(yield* Effect.flip(audit.advance("c", 4, 4))).toBeInstanceOf(InvalidInput)
      expect(yield* Effect.flip(audit.advance("c", 4, 2))).toBeInstanceOf(InvalidInput)
      expect(yield* Effect.flip(audit.advance("", 0, 2))).toBeInstanceOf(InvalidInput)
      // In the caller's transaction, the change is rolled back with it.
      const undone = yield* Effect.exit(
        sql.withTransaction(Effect.andThen(audit.advance("c", 4, 9), Effect.fail(new Refused({ position: 9 }))))
      )
      expect(Exit.isFailure(undone)).toBe(true)
      expect(yield* at("c")).toBe(4)
      yield* sql.withTransaction(audit.advance("c", 4, 9))
      expect(yield* at("c")).toBe(9)
    })
  )

  test(
    "refuses invalid options and a consumer in a transaction",
    Effect.gen(function* () {
      const { consume, sql } = yield* withSeen
      for (const options of [
        { consumer: "" },
        { consumer: "c", batchSize: 0 },
        { consumer: "c", batchSize: 10_001 },
        { consumer: "c", parkAfter: 0 },
        { consumer: "c", cardId: "" }
      ]) {
        expect(yield* Effect.flip(consume(options))).toBeInstanceOf(InvalidInput)
      }
      expect(yield* Effect.flip(sql.withTransaction(consume({ consumer: "c" })))).toBeInstanceOf(InvalidInput)
    })
  )

  test(
    "two consumers of one name share the events and handle none twice",
    Effect.gen(function* () {
      const { at, consume, seen } = yield* withSeen
      yield* createCards(200)
      const both = yield* Effect.forEach(
        [3, 5],
        (batchSize) => consume({ consumer: "c", batchSize }, () => Effect.yieldNow),
        { concurrency: "unbounded" }
      )
      expect(both.reduce((sum, count) => sum + count)).toBe(200)
      expect(yield* seen("c")).toEqual(upTo(200))
      expect(yield* at("c")).toBe(200)
    })
  )
}

onBothDatabases("a consumer of events", (test) => {
  handling(test)
  parking(test)
  checkpoints(test)
})

onServer("consumers of one name", (test) => {
  test(
    "of several processes share new events in order and handle none twice",
    Effect.gen(function* () {
      const { at, seen, write } = yield* withSeen
      const pools = yield* Effect.all([pool(), pool(), pool()])
      const counts = pools.map(() => 0)
      for (const [index, { audit, sql }] of pools.entries()) {
        yield* Effect.forkScoped(
          audit.consume({
            consumer: "c",
            follow: true,
            batchSize: 2,
            handler: (event) =>
              Effect.tap(write("c", event, sql), () =>
                Effect.sync(() => counts.splice(index, 1, (counts[index] ?? 0) + 1))
              )
          })
        )
      }
      for (const part of upTo(10)) yield* createCards(20, `p${part}-`)
      yield* until(Effect.map(at("c"), (position) => position === 200))
      expect(yield* seen("c")).toEqual(upTo(200))
      expect(counts.filter((count) => count > 0).length).toBeGreaterThan(1)
    })
  )

  test(
    "wait for each other, the second reads the checkpoint of the first, and no event is lost",
    Effect.gen(function* () {
      const { at, seen, write } = yield* withSeen
      yield* createCards(6)
      const [first, second] = yield* Effect.all([pool(), pool()])
      const isHandling = yield* Deferred.make<number>()
      const interrupted = yield* Effect.forkScoped(
        first.audit.consume({
          consumer: "c",
          handler: (event) =>
            Effect.gen(function* () {
              yield* write("c", event, first.sql)
              if (event.position === 4) {
                const [session] = yield* first.sql<{ readonly pid: number }>`SELECT pg_backend_pid() AS pid`
                yield* Deferred.succeed(isHandling, session?.pid ?? 0)
                return yield* Effect.never
              }
            }),
          batchSize: 3
        })
      )
      const pid = yield* Deferred.await(isHandling)
      const other = yield* Effect.forkScoped(
        second.audit.consume({ consumer: "c", handler: (event) => write("c", event, second.sql) })
      )
      const sql = yield* SqlClient.SqlClient
      yield* until(
        Effect.map(
          sql`SELECT pid FROM pg_stat_activity WHERE ${pid}::int4 = ANY(pg_blocking_pids(pid))`,
          (waiting) => waiting.length > 0
        )
      )
      yield* Fiber.interrupt(interrupted)
      expect(yield* Fiber.join(other)).toBe(3)
      expect(yield* seen("c")).toEqual(upTo(6))
      expect(yield* at("c")).toBe(6)
    })
  )
})
