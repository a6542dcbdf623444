import { PgClient } from "@effect/sql-pg"
import { Context, DateTime, Deferred, Duration, Effect, Fiber, Layer, Redacted, Ref, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { ReadGate } from "../../../src/events/ReadGate.ts"
import { EventLog } from "../../../src/events/EventLog.ts"
import type { RecordedEvent } from "../../../src/events/RecordedEvent.ts"
import { feed } from "../../../src/events/feed.ts"
import { AuditService } from "../../../src/services/AuditService.ts"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { InvalidInput } from "../../../src/services/decodeInput.ts"
import { type BacklogServices, layerTestOver } from "../../../src/services/layers.ts"
import { PollInterval } from "../../../src/services/waiting/CommitNotifications.ts"
import { BacklogSchema } from "../../../src/sql/SchemaName.ts"
import { currentClient, headPosition, postgresUrl, within } from "../../support/backlogs.ts"
import { onBothDatabases, onServer } from "../../support/databases.ts"
import { pool } from "../../support/pools.ts"
import { until } from "../../support/waiting.ts"
import { expect } from "vitest"

const never = Duration.days(1)

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1)

const positionsOf = (events: Iterable<RecordedEvent>) => Array.from(events, (event) => event.position)

/** Another service over the test's backlog whose followers do not poll. */
const withoutPolling = Effect.gen(function* () {
  const schema = yield* BacklogSchema
  const layer = Layer.provide(layerTestOver(yield* currentClient, schema), Layer.succeed(PollInterval)(never))
  const context = yield* Layer.build(Layer.fresh(layer))
  return { audit: Context.get(context, AuditService), backlog: Context.get(context, BacklogService) }
})

const create = (backlog: BacklogService["Service"], ids: ReadonlyArray<string>) =>
  Effect.forEach(ids, (id) => backlog.create({ id, title: `Card ${id}`, actor: "ann" }), { discard: true })

/** Starts a startFollower in the background and collects the positions that it receives. */
const startFollower = Effect.fnUntraced(function* (
  audit: AuditService["Service"],
  options: Parameters<AuditService["Service"]["events"]>[0] = {}
) {
  const received: Array<number> = []
  const fiber = yield* Effect.forkScoped(
    Stream.runForEach(audit.events({ ...options, follow: true }), (event) =>
      Effect.sync(() => received.push(event.position))
    )
  )
  return { received, fiber, has: (count: number) => until(Effect.sync(() => received.length >= count)) }
})

onBothDatabases("the feed of events", (test) => {
  test(
    "returns past events, filtered or not, and ends",
    Effect.gen(function* () {
      const audit = yield* AuditService
      const backlog = yield* BacklogService
      const positions = (options?: Parameters<typeof audit.events>[0]) =>
        Effect.map(Stream.runCollect(audit.events(options)), positionsOf)
      expect(yield* positions()).toEqual([])
      for (const [id, actor] of [
        ["a", "ann"],
        ["b", "bob"],
        ["c", "ann"]
      ] as const) {
        yield* backlog.create({ id, title: "T", actor })
        yield* backlog.claim({ id, owner: "w", actor: "w" })
        yield* backlog.complete({ id, token: 2, actor })
      }
      expect(yield* positions()).toEqual(upTo(9))
      expect(yield* positions({ after: 6 })).toEqual([7, 8, 9])
      expect(yield* positions({ after: 9 })).toEqual([])
      expect(yield* positions({ cardId: "b" })).toEqual([4, 5, 6])
      expect(yield* positions({ type: "CardClaimed" })).toEqual([2, 5, 8])
      expect(yield* positions({ actor: "ann" })).toEqual([1, 3, 7, 9])
      expect(yield* positions({ actor: "ann", type: "CardCompleted" })).toEqual([3, 9])
      expect(yield* positions({ actor: "ann", type: "CardCompleted", cardId: "c" })).toEqual([9])
      expect(yield* positions({ actor: "ann", type: "CardCompleted", cardId: "c", after: 9 })).toEqual([])
      expect(yield* positions({ actor: "nobody" })).toEqual([])
      const [first] = yield* Stream.runCollect(audit.events({ cardId: "a", type: "CardCompleted" }))
      expect(first).toMatchObject({ cardId: "a", version: 3, type: "CardCompleted", actor: "ann" })
      expect(first === undefined ? false : DateTime.isDateTime(first.recordedAt)).toBe(true)
      for (const options of [{ after: -1 }, { after: 1.5 }, { cardId: "" }, { type: "" as never }, { actor: " " }]) {
        expect(yield* Effect.flip(Stream.runDrain(audit.events(options)))).toBeInstanceOf(InvalidInput)
      }
    })
  )

  test(
    "continues from past to new events without a gap or a duplicate for all followers while commands run",
    Effect.gen(function* () {
      const { audit, backlog } = yield* withoutPolling
      const total = 400
      const writers = yield* Effect.forkScoped(
        Effect.forEach(
          upTo(4),
          (writer) =>
            create(
              backlog,
              upTo(total / 4).map((index) => `w${writer}c${index}`)
            ),
          { concurrency: "unbounded", discard: true }
        )
      )
      // Each follower starts at a different time while events are written.
      const followers = yield* Effect.forEach(upTo(8), (index) =>
        Effect.gen(function* () {
          yield* until(Effect.map(headPosition, (position) => position >= index * 40))
          const after = index % 2 === 0 ? 0 : index * 30
          return { after, ...(yield* startFollower(audit, { after })) }
        })
      )
      yield* Fiber.join(writers)
      for (const { after, received, has } of followers) {
        yield* has(total - after)
        expect(received).toEqual(upTo(total).slice(after))
      }
      // After the writers end, a single commit wakes the followers.
      yield* create(backlog, ["late"])
      for (const { after, received, has } of followers) {
        yield* has(total + 1 - after)
        expect(received.at(-1)).toBe(total + 1)
      }
    })
  )

  test(
    "follows only matching events",
    Effect.gen(function* () {
      const { audit, backlog } = yield* withoutPolling
      yield* create(backlog, ["a", "b"])
      const claims = yield* startFollower(audit, { type: "CardClaimed", cardId: "b" })
      const everything = yield* startFollower(audit)
      for (const id of ["a", "b"]) yield* backlog.claim({ id, owner: "w", actor: "w" })
      yield* backlog.release({ id: "b", token: 2, actor: "w" })
      yield* backlog.claim({ id: "b", owner: "w", actor: "w" })
      yield* everything.has(6)
      yield* claims.has(2)
      expect([claims.received, everything.received]).toEqual([[4, 6], upTo(6)])
    })
  )

  test(
    "loses no event for a slow startFollower and does not delay commands",
    Effect.gen(function* () {
      const { audit, backlog } = yield* withoutPolling
      const received: Array<number> = []
      const first = yield* Deferred.make<void>()
      const mayContinue = yield* Deferred.make<void>()
      yield* create(backlog, ["a"])
      const slow = yield* Effect.forkScoped(
        audit.events({ follow: true }).pipe(
          Stream.mapEffect((event) =>
            Effect.gen(function* () {
              received.push(event.position)
              yield* Deferred.succeed(first, undefined)
              yield* Deferred.await(mayContinue)
            })
          ),
          Stream.take(4_501),
          Stream.runDrain
        )
      )
      yield* Deferred.await(first)
      // The feed reads these events in several pages.
      for (let part = 0; part < 3; part++) {
        yield* backlog.createMany({
          actor: "ann",
          cards: upTo(1_500).map((index) => ({ id: `p${part}c${index}`, title: "T" }))
        })
      }
      expect(received).toEqual([1])
      yield* Deferred.succeed(mayContinue, undefined)
      yield* Fiber.join(slow)
      expect(received).toEqual(upTo(4_501))
    })
  )

  test(
    "finds commits without a notification by polling",
    Effect.gen(function* () {
      const { backlog } = yield* withoutPolling
      const context = yield* Layer.build(Layer.provideMerge(Layer.fresh(ReadGate.layer), Layer.fresh(EventLog.layer)))
      // A separate log that receives no commit notifications.
      const unnotified = Context.get(context, EventLog)
      const received = yield* Ref.make<ReadonlyArray<number>>([])
      yield* Effect.forkScoped(
        Stream.runForEach(
          feed(unnotified, Context.get(context, ReadGate), {
            after: 0,
            follow: true,
            pollInterval: Duration.millis(10)
          }),
          (event) => Ref.update(received, (positions) => [...positions, event.position])
        )
      )
      for (const count of upTo(3)) {
        yield* create(backlog, [`c${count}`])
        yield* until(Effect.map(Ref.get(received), (positions) => positions.length === count))
      }
      expect(yield* Ref.get(received)).toEqual(upTo(3))
    })
  )
})

/** The sessions of an application that listen for commit notifications. */
const listeners = (application: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.map(
      sql<{ readonly pid: number }>`
        SELECT pid FROM pg_stat_activity WHERE application_name = ${application} AND query LIKE 'LISTEN %'`,
      (rows) => rows.map((row) => row.pid)
    )
  )

/** Another service over the test's backlog with a withApplicationName pool. By default its followers do not poll. */
const withApplicationName = Effect.fnUntraced(function* (
  application: string,
  maxConnections: number,
  pollInterval = never
) {
  const schema = yield* BacklogSchema
  const client = PgClient.layer({
    url: Redacted.make(postgresUrl()),
    applicationName: application,
    maxConnections
  })
  const layer = Layer.provide(layerTestOver(client, schema), Layer.succeed(PollInterval)(pollInterval))
  const context: Context.Context<BacklogServices> = yield* Layer.build(Layer.fresh(layer))
  return { context, audit: Context.get(context, AuditService), backlog: Context.get(context, BacklogService) }
})

onServer("the feed of events", (test) => {
  test(
    "is woken by commits of other processes",
    Effect.gen(function* () {
      const { audit } = yield* pool({ pollInterval: never })
      const other = yield* pool()
      const { received, has } = yield* startFollower(audit)
      for (const count of upTo(20)) {
        yield* create(other.backlog, [`c${count}`])
        yield* has(count)
      }
      expect(received).toEqual(upTo(20))
    })
  )

  test(
    "listens on one connection for all followers, closes it with the last one, and opens it again",
    Effect.gen(function* () {
      const application = `listeners of ${yield* BacklogSchema}`
      const { audit } = yield* withApplicationName(application, 4)
      const other = yield* pool()
      const count = Effect.map(listeners(application), (pids) => pids.length)
      const listening = (sessions: number) => until(Effect.map(count, (found) => found === sessions))
      expect(yield* count).toBe(0)
      for (const round of upTo(2)) {
        const [first, second] = [yield* startFollower(audit), yield* startFollower(audit)]
        yield* listening(1)
        yield* create(other.backlog, [`r${round}`])
        for (const { received, has } of [first, second]) {
          yield* has(round)
          expect(received).toEqual(upTo(round))
        }
        yield* Fiber.interrupt(first.fiber)
        expect(yield* count).toBe(1)
        yield* create(
          other.backlog,
          [`s${round}`].filter(() => round === 2)
        )
        yield* Fiber.interrupt(second.fiber)
        yield* listening(0)
      }
    })
  )

  test(
    "listens again after its connection breaks and misses no event of the time in between",
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const application = `broken ${yield* BacklogSchema}`
      const { audit } = yield* withApplicationName(application, 4)
      const other = yield* pool()
      const { received, has } = yield* startFollower(audit)
      yield* create(other.backlog, ["before"])
      yield* has(1)
      const [pid] = yield* listeners(application)
      yield* sql`SELECT pg_terminate_backend(${pid ?? 0}::int4)`
      yield* until(Effect.map(listeners(application), (pids) => !pids.includes(pid ?? 0)))
      yield* create(other.backlog, ["meanwhile"])
      yield* has(2)
      yield* create(other.backlog, ["after"])
      yield* has(3)
      expect(received).toEqual(upTo(3))
    })
  )

  test(
    "leaves the caller's transaction intact when a read is interrupted in it",
    Effect.gen(function* () {
      const audit = yield* AuditService
      const backlog = yield* BacklogService
      const sql = yield* SqlClient.SqlClient
      // Large pages: a reader that stops while a page is being read cancels the query.
      const body = "B".repeat(8_000)
      yield* backlog.createMany({
        actor: "ann",
        cards: upTo(3_000).map((index) => ({ id: `c${index}`, title: "T", body }))
      })
      yield* sql.withTransaction(
        Effect.gen(function* () {
          for (const count of [1, 1_999]) {
            const taken = yield* Stream.runCollect(Stream.take(audit.events(), count))
            expect(positionsOf(taken)).toEqual(upTo(count))
          }
          yield* create(backlog, ["after"])
        })
      )
      expect(yield* headPosition).toBe(3_001)
    })
  )

  test(
    "works with pools of one and two connections and listens on a separate connection",
    Effect.gen(function* () {
      const other = yield* pool()
      for (const size of [2, 1]) {
        const application = `pool of ${size} of ${yield* BacklogSchema}`
        const { audit, backlog, context } = yield* withApplicationName(application, size, never)
        const { received, has } = yield* startFollower(audit, { type: "CardCreated" })
        yield* create(backlog, [`own${size}`])
        yield* until(Effect.sync(() => received.length > 0))
        const before = received.length
        yield* create(other.backlog, [`other${size}`])
        yield* has(before + 1)
        // Transactions run too.
        const sql = Context.get(context, SqlClient.SqlClient)
        yield* sql.withTransaction(create(backlog, [`in${size}`])).pipe(within(context))
        yield* has(before + 2)
        expect((yield* listeners(application)).length).toBe(1)
      }
    })
  )
})
