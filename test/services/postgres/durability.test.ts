import { assert, describe, it } from "@effect/vitest"
import { PgClient } from "@effect/sql-pg"
import { Context, Effect, Exit, Fiber, Layer, Option, Scope } from "effect"
import { SqlClient } from "effect/sql"
import { afterAll, beforeAll } from "vitest"
import {
  AuditService,
  BacklogService,
  diagnose,
  Doctor,
  layerPostgres,
  type PostgresOptions
} from "../../../src/index.ts"
import type { ServerDurability } from "../../../src/services/postgres/Durability.ts"
import { BacklogSchema } from "../../../src/sql/SchemaName.ts"
import { layerPostgresClient } from "../../../src/services/postgres/PostgresClient.ts"
import { type PostgresServer, startPostgres } from "../../support/postgresServer.ts"
import { standbySetting } from "../../support/standbySetting.ts"
import { until } from "../../support/waiting.ts"

/**
 * A synchronous standby that does not exist holds back every flush that commits wait for, until the setting is removed. What the
 * server does meanwhile is that of a slow disk.
 */
describe("commits that are not durable yet", () => {
  let server: PostgresServer
  let schemas = 0
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server?.stop())

  const actor = "ann"

  /** Lets each process see that others append events too, after which their batches commit early. */
  const share = (processes: ReadonlyArray<{ readonly backlog: BacklogService["Service"] }>) =>
    Effect.forEach(
      [...processes, ...processes],
      ({ backlog }, index) =>
        backlog.create({ id: `shared-${index}`, title: "T", phase: "shared", priority: -1, actor }),
      { discard: true }
    )

  const durabilityOf = (context: Context.Context<PgClient.PgClient>) =>
    (Context.get(context, PgClient.PgClient).config as { readonly durability?: ServerDurability }).durability

  /** A backlog, as another process would open it. */
  const open = (schema: string, options: Partial<PostgresOptions & { readonly opening: "existing" }> = {}) =>
    Effect.map(
      Layer.build(
        Layer.fresh(
          Doctor.layer.pipe(
            Layer.provideMerge(layerPostgres({ url: server.url, schema, poolSize: 4, ...options })),
            Layer.provide(Layer.succeed(BacklogSchema)(schema))
          )
        )
      ),
      (context) => ({
        backlog: Context.get(context, BacklogService),
        audit: Context.get(context, AuditService),
        doctor: Context.get(context, Doctor),
        sql: Context.get(context, SqlClient.SqlClient),
        durability: durabilityOf(context)?.forBacklog(schema),
        otherDurability: durabilityOf(context)?.forBacklog("another")
      })
    )

  const test = (
    name: string,
    body: (tools: {
      readonly schema: string
      readonly admin: SqlClient.SqlClient
      readonly setStandby: (name: string) => Effect.Effect<void, unknown>
      /** The number of sessions whose commits wait for the standby. */
      readonly waiting: Effect.Effect<number, unknown>
      /** The number of sessions that wait for locks. */
      readonly blocked: Effect.Effect<number, unknown>
      readonly head: Effect.Effect<number, unknown>
    }) => Effect.Effect<void, unknown, Effect.Services<typeof Effect.scope>>
  ) =>
    it.live(name, () =>
      Effect.scoped(
        Effect.gen(function* () {
          const schema = `durability_${++schemas}`
          const admin = yield* SqlClient.SqlClient
          const { setStandby, waiting } = yield* standbySetting(admin)
          const locks = admin<{ readonly count: number }>`
            SELECT count(*)::int4 AS count FROM pg_stat_activity WHERE wait_event_type = 'Lock'`
          const head = admin.unsafe<{ readonly position: number }>(`SELECT position::int4 FROM ${schema}.head`)
          yield* body({
            schema,
            admin,
            setStandby,
            waiting: Effect.map(waiting, ({ length }) => length),
            blocked: Effect.map(locks, ([row]) => row?.count ?? 0),
            head: Effect.map(head, ([row]) => row?.position ?? 0)
          })
        })
      ).pipe(Effect.provide(layerPostgresClient({ url: server.url, poolSize: 2 })))
    )

  test("commands of other processes commit while one waits for its flush, and none returns", ({
    head,
    schema,
    setStandby,
    waiting
  }) =>
    Effect.gen(function* () {
      const processes = yield* Effect.all([open(schema), open(schema), open(schema)])
      yield* share(processes)
      const before = yield* head
      yield* setStandby("absent")
      const commands = yield* Effect.forEach(processes, ({ backlog }, index) =>
        Effect.forkScoped(backlog.create({ id: `c${index}`, title: "T", actor }))
      )
      yield* until(Effect.map(head, (position) => position === before + 3))
      yield* until(Effect.map(waiting, (sessions) => sessions === 3))
      for (const command of commands) assert.isUndefined(command.pollUnsafe())
      yield* setStandby("")
      for (const command of commands) yield* Fiber.join(command)
    }))

  test("no read shows an event before it is durable, and concurrent reads share barriers", ({
    admin,
    head,
    schema,
    setStandby,
    waiting
  }) =>
    Effect.gen(function* () {
      const [begun] = yield* admin<{ readonly at: string }>`SELECT clock_timestamp()::text AS at`
      const writer = yield* open(schema)
      const reader = yield* open(schema)
      yield* writer.backlog.create({ id: "a", title: "T", actor })
      yield* share([writer, reader])
      // Known to be durable from here on.
      const { total } = yield* reader.backlog.stats
      yield* setStandby("absent")
      const command = yield* Effect.forkScoped(writer.backlog.create({ id: "b", title: "T", actor }))
      yield* until(Effect.map(head, (position) => position === total + 1))
      assert.isTrue(Option.isSome(yield* reader.backlog.get("a")))

      const reads = yield* Effect.forEach(Array.from({ length: 30 }), () =>
        Effect.forkScoped(Effect.all([reader.backlog.get("b"), reader.backlog.stats, reader.audit.anchor()]))
      )
      // The command's, and two of the reads.
      yield* until(Effect.map(waiting, (sessions) => sessions === 3))
      for (const read of reads) assert.isUndefined(read.pollUnsafe())
      yield* setStandby("")
      yield* Fiber.join(command)
      for (const read of reads) assert.strictEqual((yield* Fiber.join(read))[1].total, total + 1)
      // Two of the reads and at most two of each process's batches. Sessions of earlier tests may still be there.
      const [barriers] = yield* admin<{ readonly sessions: number }>`
        SELECT count(*)::integer AS sessions FROM pg_stat_activity
        WHERE query LIKE '%pg_logical_emit_message%' AND pid <> pg_backend_pid()
          AND backend_start > ${begun?.at ?? ""}::timestamptz`
      assert.isAtMost(barriers?.sessions ?? 0, 6)
      assert.isAtLeast(reader.durability?.reached() ?? 0, total + 1)
      // The positions of another backlog over the same client are others.
      assert.strictEqual(reader.otherDurability?.reached(), 0)
    }))

  test("without writers a process writes one barrier", ({ admin, schema }) =>
    Effect.gen(function* () {
      const writer = yield* open(schema)
      yield* writer.backlog.create({ id: "a", title: "T", actor })
      const reader = yield* open(schema)
      const end = Effect.map(
        admin<{ readonly end: string }>`SELECT pg_current_wal_insert_lsn()::text AS end`,
        ([row]) => row?.end
      )
      const atFirst = yield* end
      yield* reader.backlog.stats
      const afterFirst = yield* end
      assert.notStrictEqual(afterFirst, atFirst)
      for (let read = 0; read < 5; read++) yield* reader.backlog.stats
      yield* reader.backlog.list()
      assert.strictEqual(yield* end, afterFirst)
      // The process that wrote knows that its own events are durable.
      yield* writer.backlog.stats
      assert.strictEqual(yield* end, afterFirst)
    }))

  test("a retry, a refusal and nothing to claim wait for what they have seen", ({
    head,
    schema,
    setStandby,
    waiting
  }) =>
    Effect.gen(function* () {
      const first = yield* open(schema)
      const second = yield* open(schema)
      const third = yield* open(schema)
      yield* share([first, second])
      yield* third.backlog.stats
      yield* first.backlog.create({ id: "a", title: "T", phase: "p", actor })
      const { total } = yield* second.backlog.stats
      yield* setStandby("absent")
      const claim = { owner: "w", phase: "p", commandId: "claim", actor }
      const claimed = yield* Effect.forkScoped(first.backlog.claim(claim))
      yield* until(Effect.map(head, (position) => position === total + 1))
      const answers = yield* Effect.forEach(
        [
          second.backlog.claim(claim),
          second.backlog.claim({ owner: "other", phase: "p", actor }),
          second.backlog.claim({ id: "a", owner: "other", actor }),
          second.backlog.create({ id: "a", title: "other", actor })
        ] as ReadonlyArray<Effect.Effect<unknown, unknown>>,
        (command) => Effect.forkScoped(Effect.exit(command))
      )
      // Locks nothing, so its transaction has nothing to flush.
      const nothing = yield* Effect.forkScoped(third.backlog.claim({ owner: "w", phase: "none", actor }))
      yield* until(Effect.map(waiting, (sessions) => sessions >= 3))
      assert.isUndefined(nothing.pollUnsafe())
      for (const answer of answers) assert.isUndefined(answer.pollUnsafe())
      yield* setStandby("")
      yield* Fiber.join(claimed)
      assert.isTrue(Option.isNone(yield* Fiber.join(nothing)))
      const exits = yield* Effect.forEach(answers, Fiber.join)
      assert.deepStrictEqual(
        exits.map((exit) => (Exit.isSuccess(exit) ? "answered" : "refused")),
        ["answered", "answered", "answered", "refused"]
      )
    }))

  test("a receipt without events is durable before others can read it", ({ blocked, schema, setStandby, waiting }) =>
    Effect.gen(function* () {
      const { backlog } = yield* open(schema)
      const other = yield* open(schema)
      yield* share([{ backlog }, other])
      yield* other.backlog.stats
      yield* setStandby("absent")
      const refused = { id: "none", token: 1, commandId: "refused", actor }
      const first = yield* Effect.forkScoped(Effect.flip(backlog.renew(refused)))
      yield* until(Effect.map(waiting, (sessions) => sessions === 1))
      // Waits for the transaction of the first.
      const second = yield* Effect.forkScoped(Effect.flip(other.backlog.renew(refused)))
      yield* until(Effect.map(blocked, (sessions) => sessions === 1))
      assert.isUndefined(second.pollUnsafe())
      yield* setStandby("")
      for (const fiber of [first, second]) assert.strictEqual((yield* Fiber.join(fiber))._tag, "CardNotFound")
    }))

  test("reads of an open transaction wait on a connection of their own, and make nothing of it durable", ({ schema }) =>
    Effect.gen(function* () {
      const { backlog, durability, sql } = yield* open(schema, { poolSize: 1 })
      yield* backlog.create({ id: "a", title: "T", actor })
      yield* Effect.exit(
        sql.withTransaction(
          Effect.gen(function* () {
            yield* backlog.create({ id: "b", title: "T", actor })
            assert.isTrue(Option.isSome(yield* backlog.get("b")))
            // Writes nothing, so it writes a barrier into the transaction.
            assert.isTrue(Option.isNone(yield* backlog.claim({ owner: "w", phase: "none", actor })))
            assert.strictEqual(durability?.reached(), 1)
            return yield* Effect.fail("rolled back")
          })
        )
      )
      assert.strictEqual(durability?.reached(), 1)
    }))

  test("the doctor reports commits that do not become durable", ({ head, schema, setStandby }) =>
    Effect.gen(function* () {
      const { backlog, doctor } = yield* open(schema)
      const other = yield* open(schema)
      yield* share([other, { backlog }])
      const findings = Effect.map(doctor.examine, (facts) => ({
        head: facts.head,
        durability: diagnose(facts).filter(({ check }) => check === "durability")
      }))
      const healthy = yield* findings
      assert.deepStrictEqual([healthy.head, healthy.durability.map(({ level }) => level)], [4, ["ok"]])
      yield* setStandby("absent")
      yield* Effect.forkScoped(Effect.exit(backlog.create({ id: "b", title: "T", actor })))
      yield* until(Effect.map(head, (position) => position === 5))
      // Sooner than a statement whose server does not respond.
      const stuck = yield* Effect.timeout(findings, "25 seconds")
      assert.strictEqual(stuck.head, null)
      assert.match(stuck.durability[0]?.what ?? "", /did not become durable within 3 seconds: .*\(absent\)/)
      yield* setStandby("")
    }))

  test("a client that is closed waits for no barrier, and begins none", ({ head, schema, setStandby, waiting }) =>
    Effect.gen(function* () {
      const writers = yield* Effect.all([open(schema), open(schema)])
      yield* share(writers)
      const before = yield* head
      const client = yield* Scope.make()
      const reader = yield* Scope.provide(open(schema, { batchTimeout: "1 hour" }), client)
      yield* reader.backlog.stats
      yield* setStandby("absent")
      const command = yield* Effect.forkScoped(writers[0].backlog.create({ id: "a", title: "T", actor }))
      yield* until(Effect.map(head, (position) => position === before + 1))
      // Two barriers are under way, and the third read waits for the next one.
      const reads: Array<Fiber.Fiber<unknown, unknown>> = []
      for (const sessions of [2, 3, 3]) {
        reads.push(yield* Effect.forkScoped(reader.backlog.stats))
        yield* until(Effect.map(waiting, (count) => count === sessions))
      }
      yield* Scope.close(client, Exit.void)
      for (const read of reads) assert.isTrue(Exit.isFailure(yield* Fiber.await(read)))
      assert.isUndefined(command.pollUnsafe())
      yield* setStandby("")
      yield* Fiber.join(command)
    }))

  test("without the privilege commands commit synchronously, reads wait for the disk, and the doctor warns", ({
    admin,
    blocked,
    head,
    schema,
    setStandby
  }) =>
    Effect.gen(function* () {
      const functions = yield* admin<{ readonly name: string }>`
        SELECT oid::regprocedure::text AS name FROM pg_proc WHERE proname = 'pg_logical_emit_message'`
      yield* admin.unsafe("CREATE ROLE restricted LOGIN PASSWORD 'r'")
      yield* admin.unsafe("GRANT CREATE ON DATABASE postgres TO restricted")
      for (const { name } of functions) yield* admin.unsafe(`REVOKE EXECUTE ON FUNCTION ${name} FROM PUBLIC`)
      yield* Effect.addFinalizer(() =>
        Effect.orDie(
          Effect.forEach(functions, ({ name }) => admin.unsafe(`GRANT EXECUTE ON FUNCTION ${name} TO PUBLIC`))
        )
      )
      const url = new URL(server.url)
      url.username = "restricted"
      url.password = "r"
      const first = yield* open(schema, { url: url.href })
      const second = yield* open(schema, { url: url.href })
      yield* first.backlog.create({ id: "a", title: "T", actor })
      assert.strictEqual((yield* second.backlog.stats).total, 1)
      const finding = diagnose(yield* first.doctor.examine).find(({ check }) => check === "durability")
      assert.strictEqual(finding?.level, "warning")
      assert.match(finding?.what ?? "", /may not execute pg_logical_emit_message/)

      yield* share([first, second])
      const before = yield* head
      yield* setStandby("absent")
      const commands = yield* Effect.forEach([first, second], ({ backlog }, index) =>
        Effect.forkScoped(backlog.create({ id: `c${index}`, title: "T", actor }))
      )
      // The first holds the head row, so its commit is not even visible.
      yield* until(
        Effect.map(Effect.all([blocked, head]), ([sessions, position]) => sessions === 1 || position !== before)
      )
      const meanwhile = yield* head
      yield* setStandby("")
      for (const command of commands) yield* Fiber.join(command)
      assert.strictEqual(meanwhile, before)
      assert.strictEqual((yield* second.backlog.stats).total, before + 2)
    }))

  test("where the server refuses another connection, barriers use the client's pool", ({ admin, schema }) =>
    Effect.gen(function* () {
      const writer = yield* open(schema)
      yield* writer.backlog.create({ id: "a", title: "T", actor })
      yield* admin.unsafe("CREATE ROLE limited LOGIN PASSWORD 'l' CONNECTION LIMIT 1")
      yield* admin.unsafe(`GRANT USAGE ON SCHEMA ${schema} TO limited`)
      yield* admin.unsafe(`GRANT SELECT ON ALL TABLES IN SCHEMA ${schema} TO limited`)
      const url = new URL(server.url)
      url.username = "limited"
      url.password = "l"
      const reader = yield* open(schema, { url: url.href, poolSize: 1, opening: "existing" })
      assert.strictEqual((yield* reader.backlog.stats).total, 1)
      assert.strictEqual(reader.durability?.reached(), 1)
    }))

  test("connections to a server that was restarted are not used, and what was read before is read again", ({
    schema
  }) =>
    Effect.gen(function* () {
      const { backlog, durability, sql } = yield* open(schema)
      yield* backlog.create({ id: "a", title: "T", actor })
      yield* backlog.stats
      const before = durability?.epoch()
      yield* Effect.promise(() => server.restart("immediate"))
      yield* until(Effect.map(Effect.exit(sql`SELECT 1`), Exit.isSuccess))
      assert.strictEqual(durability?.reached(), 0)
      yield* until(Effect.map(Effect.exit(backlog.create({ id: "b", title: "T", actor })), Exit.isSuccess))
      assert.strictEqual(durability?.epoch(), (before ?? 0) + 1)
      assert.strictEqual((yield* backlog.stats).total, 2)
      const late = durability === undefined ? Effect.die("no durability") : durability.await(2, before ?? 0)
      assert.match((yield* Effect.flip(late)).message, /restarted or replaced/)
    }))
})
