import { Context, Duration, Effect, Exit, Fiber, Layer, Option, Stream } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { serve } from "../../src/http/server.ts"
import { AuditService, BacklogService, layerPostgres, type PostgresOptions } from "../../src/index.ts"
import { PollInterval } from "../../src/services/waiting/CommitNotifications.ts"
import { BacklogSchema } from "../../src/sql/SchemaName.ts"
import { type Proxy, startProxy } from "./support/proxy.ts"
import { postgresUrl } from "../support/backlogs.ts"
import { onServer } from "../support/databases.ts"
import { makeRandom } from "../support/random.ts"
import { until } from "../support/waiting.ts"
import { describe, expect } from "vitest"

/** Longer than any batch takes on an overloaded machine. */
const timeouts = { batchTimeout: "6 seconds", answerTimeout: "6 seconds" } as const

const create = (id: string, more: { readonly commandId?: string } = {}) =>
  Effect.flatMap(BacklogService, (backlog) => backlog.create({ id, title: "T", actor: "ann", ...more }))

describe.concurrent("connections that die without a sign", () => {
  /** Each test has its own proxy: the tests run at the same time, because they mostly wait. */
  const aProxy = Effect.acquireRelease(
    Effect.promise(() => startProxy(Number(new URL(postgresUrl()).port || 5432), makeRandom(1))),
    (proxy) => Effect.promise(() => proxy.close())
  )

  /** The services of another process, through the proxy. */
  const through = (proxy: Proxy, options: Partial<PostgresOptions> = {}, pollInterval = Duration.seconds(1)) =>
    Effect.gen(function* () {
      const url = new URL(postgresUrl())
      url.host = `127.0.0.1:${proxy.port}`
      const services = layerPostgres({ url: url.href, schema: yield* BacklogSchema, ...timeouts, ...options })
      return yield* Layer.build(Layer.fresh(Layer.provide(services, Layer.succeed(PollInterval)(pollInterval))))
    })

  /** Counts the statements on a table that wait for a lock. */
  const waiters = (table: string) =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      // In a transaction, the view keeps the state of its first read.
      yield* sql`SELECT pg_stat_clear_snapshot()`
      const [row] = yield* sql<{ readonly count: number }>`
        SELECT count(*)::int4 AS count FROM pg_stat_activity
        WHERE wait_event_type = 'Lock' AND query LIKE ${`%${yield* BacklogSchema}%${table}%`}`
      return row?.count ?? 0
    })

  const failureOf = (exit: Exit.Exit<unknown, unknown>) =>
    Option.getOrUndefined(Exit.findErrorOption(exit)) as SqlError.SqlError | undefined

  onServer("a proxy in between", (test) => {
    test(
      "the next batch detects the dead connection, and runs on a new one",
      Effect.gen(function* () {
        const proxy = yield* aProxy
        const context = yield* through(proxy)
        yield* Effect.provide(create("a"), context)
        proxy.swallow()
        yield* Effect.provide(create("b"), context)
        expect(Option.isSome(yield* (yield* BacklogService).get("b"))).toBe(true)
      })
    )

    test(
      "a batch without an answer to its COMMIT fails as possibly committed, and its retry returns the first answer",
      Effect.gen(function* () {
        const proxy = yield* aProxy
        const context = yield* through(proxy)
        yield* Effect.provide(create("a"), context)
        proxy.swallowNextCommit()
        const failure = failureOf(yield* Effect.exit(Effect.provide(create("b", { commandId: "create-b" }), context)))
        expect(failure?.reason._tag).toBe("ConnectionError")
        expect(failure?.message).toMatch(/may have been committed.* same command id/s)
        expect((yield* Effect.provide(create("b", { commandId: "create-b" }), context)).version).toBe(1)
        expect((yield* (yield* BacklogService).stats).counts.ready).toBe(2)
      })
    )

    test(
      "a batch without an answer before its COMMIT fails as not carried out, and other batches overtake it",
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const proxy = yield* aProxy
        const context = yield* through(proxy, { batchTimeout: "12 seconds" })
        const cards = sql(`${yield* BacklogSchema}.cards`)
        yield* Effect.provide(create("held"), context)
        // A connection that was just used is not asked to answer BEGIN at once.
        const quietSince = performance.now()
        yield* until(Effect.sync(() => performance.now() - quietSince > 200))
        const revised = Effect.flatMap(BacklogService, (backlog) =>
          backlog.revise({ id: "held", title: "N", actor: "ann" })
        )
        const held = yield* sql.withTransaction(
          Effect.gen(function* () {
            yield* sql`SELECT FROM ${cards} WHERE id = 'held' FOR UPDATE`
            const noted = yield* Effect.forkScoped(Effect.exit(Effect.provide(revised, context)))
            yield* until(Effect.map(waiters("lock_and_load"), (count) => count > 0))
            proxy.swallow()
            yield* Effect.provide(create("other"), context)
            expect(noted.pollUnsafe()).toBeUndefined()
            return noted
          })
        )
        const failure = failureOf(yield* Fiber.join(held))
        expect(failure?.message).toMatch(/was not carried out: the server sent nothing for 12 seconds/)
        // The server has ended the transaction of the dead connection, and released its lock.
        yield* Effect.provide(revised, context)
      })
    )

    test(
      "a batch on a connection in use that waits for a lock longer than for a dead connection runs on another one",
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const proxy = yield* aProxy
        const context = yield* through(proxy, { batchTimeout: "60 seconds" })
        const cards = sql(`${yield* BacklogSchema}.cards`)
        const revised = yield* sql.withTransaction(
          Effect.gen(function* () {
            yield* Effect.provide(create("held"), context)
            yield* sql`SELECT FROM ${cards} WHERE id = 'held' FOR UPDATE`
            const noted = yield* Effect.forkScoped(
              Effect.provide(
                Effect.flatMap(BacklogService, (backlog) =>
                  Effect.andThen(
                    backlog.create({ id: "other", title: "O", actor: "ann" }),
                    backlog.revise({ id: "held", title: "N", actor: "ann" })
                  )
                ),
                context
              )
            )
            yield* until(Effect.map(waiters("lock_and_load"), (count) => count > 0))
            // The abandoned one waits on until it gets the lock, and then finds its client gone.
            yield* until(Effect.map(waiters("lock_and_load"), (count) => count > 1))
            return noted
          })
        )
        expect((yield* Fiber.join(revised)).title).toBe("N")
      })
    )

    test(
      "a read is sent again, other statements fail within their timeout, and older connections are probed or closed",
      Effect.gen(function* () {
        const proxy = yield* aProxy
        const context = yield* through(proxy, { answerTimeout: "2 seconds", poolSize: 2 })
        const sql = Context.get(context, SqlClient.SqlClient)
        const backlog = Context.get(context, BacklogService)
        const openBoth = Effect.scoped(Effect.all([sql.reserve, sql.reserve], { discard: true }))
        yield* openBoth
        proxy.swallow()
        yield* backlog.stats
        yield* openBoth
        proxy.swallow()
        const failure = failureOf(yield* Effect.exit(sql`SELECT 1`))
        expect([failure?.reason._tag, String(failure?.reason.cause)]).toEqual([
          "ConnectionError",
          "NoAnswer: the server sent nothing for 2 seconds, and the connection was closed"
        ])
        yield* sql`SELECT 1`
        yield* sql`SELECT 1`
      })
    )

    test(
      "a consumer that waits for another consumer's checkpoint continues to wait, whatever the timeout",
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const checkpoints = sql(`${yield* BacklogSchema}.checkpoints`)
        const proxy = yield* aProxy
        const context = yield* through(proxy, { answerTimeout: "1 second" })
        yield* Effect.provide(create("a"), context)
        const consumed = Effect.flatMap(AuditService, (audit) =>
          audit.consume({ consumer: "mail", handler: () => Effect.void })
        )
        yield* Effect.provide(consumed, context)
        yield* Effect.provide(create("b"), context)
        const waiting = yield* sql.withTransaction(
          Effect.gen(function* () {
            yield* sql`SELECT FROM ${checkpoints} FOR UPDATE`
            const fiber = yield* Effect.forkScoped(Effect.provide(consumed, context))
            yield* until(Effect.map(waiters("checkpoints"), (count) => count > 1))
            return fiber
          })
        )
        expect(yield* Fiber.join(waiting)).toBe(1)
      })
    )

    test(
      "a listener receives commit notifications again, without polling",
      Effect.gen(function* () {
        const proxy = yield* aProxy
        const context = yield* through(proxy, {}, Duration.hours(1))
        const got = new Set<string>()
        yield* Stream.runForEach(Context.get(context, AuditService).events({ follow: true }), (event) =>
          Effect.sync(() => got.add(event.cardId))
        ).pipe(
          // A connection that dies while it is opened ends a follower, which is started again.
          Effect.retry({ while: SqlError.isSqlError }),
          Effect.forkScoped
        )
        yield* create("a")
        yield* until(Effect.sync(() => got.size === 1))
        proxy.swallow()
        yield* create("b")
        yield* until(Effect.sync(() => got.size === 2))
      })
    )

    test(
      "/readyz is not ready while a batch cannot commit, and ready on a new connection after a silent death",
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const head = sql(`${yield* BacklogSchema}.head`)
        const proxy = yield* aProxy
        const context = yield* through(proxy)
        const { url } = yield* Effect.provide(serve({ port: 0 }), context)
        const status = Effect.promise(async () => {
          const response = await fetch(`${url}/readyz`)
          await response.text()
          return response.status
        })
        yield* until(Effect.map(status, (code) => code === 200))
        yield* sql.withTransaction(
          Effect.andThen(sql`SELECT FROM ${head} FOR UPDATE`, until(Effect.map(status, (code) => code === 503)))
        )
        yield* until(Effect.map(status, (code) => code === 200))
        proxy.swallow()
        yield* Effect.provide(create("a"), context)
        yield* until(Effect.map(status, (code) => code === 200))
      })
    )
  })
})
