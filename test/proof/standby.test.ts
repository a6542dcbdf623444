import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Option } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { afterAll, beforeAll } from "vitest"
import { AccessTokens, BacklogService, Doctor, diagnose, layerPostgres, type PostgresOptions } from "../../src/index.ts"
import { layerPostgresClient } from "../../src/services/postgres/PostgresClient.ts"
import { type PostgresServer, startPostgres } from "../support/postgresServer.ts"
import { standbySetting } from "../support/standbySetting.ts"
import { until } from "../support/waiting.ts"

/**
 * A server that waits for a standby which does not exist: every such commit waits until the setting is removed. The
 * behavior of a commit when the standby answers is Postgres's.
 */
describe("a server with a synchronous standby that does not answer", () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server?.stop())

  const withServer = <A, E>(
    body: (options: PostgresOptions) => Effect.Effect<A, E, SqlClient.SqlClient | Effect.Services<typeof scope>>
  ) =>
    Effect.suspend(() => {
      const { url } = server
      return Effect.provide(Effect.scoped(body({ url })), layerPostgresClient({ url }))
    })
  const scope = Effect.scope

  const failureOf = (exit: Exit.Exit<unknown, unknown>) =>
    Option.getOrUndefined(Exit.findErrorOption(exit)) as SqlError.SqlError | undefined

  it.live("acknowledges no command, also at a retry, that the standby does not have, whatever the role sets", () =>
    withServer(({ url }) =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const { cancel, setStandby, waiting } = yield* standbySetting(sql)
        yield* sql`CREATE ROLE writer LOGIN SUPERUSER PASSWORD 'w'`
        yield* sql`ALTER ROLE writer SET synchronous_commit = off`
        const own = new URL(url)
        own.username = "writer"
        own.password = "w"
        const context = yield* Layer.build(layerPostgres({ url: own.href }))
        const backlog = Context.get(context, BacklogService)
        for (const id of ["a", "b", "c"]) yield* backlog.create({ id, title: "T", actor: "ann" })
        yield* setStandby("absent")

        const card = { id: "d", title: "T", idempotencyKey: "key-d" }
        const create = { ...card, actor: "ann" }
        const changes: ReadonlyArray<readonly [string, Effect.Effect<unknown, unknown>]> = [
          ["claim", backlog.claim({ owner: "w", actor: "w", commandId: "claim" })],
          ["create", backlog.create({ ...create, commandId: "create" })],
          ["complete", backlog.complete({ id: "b", force: true, actor: "ann" })],
          ["link", backlog.link({ from: "c", to: "b", actor: "ann" })],
          ["nothing", backlog.claim({ owner: "w", actor: "w", phase: "none", commandId: "nothing" })],
          ["refused", backlog.renew({ id: "none", token: 1, actor: "w", commandId: "refused" })]
        ]
        for (const [name, change] of changes) {
          const fiber = yield* Effect.forkScoped(Effect.exit(change))
          yield* until(Effect.map(waiting, (pids) => pids.length === 1))
          yield* cancel
          const failure = failureOf(yield* Fiber.join(fiber))
          assert.match(
            failure?.message ?? "",
            /may have been committed: its replication to a standby was canceled/,
            name
          )
        }

        const again: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
          ...changes.map(([, change]) => change),
          backlog.create(create),
          backlog.createMany({ cards: [card], actor: "ann" }),
          backlog.create({ id: "d", title: "T", actor: "ann" }),
          backlog.claim({ owner: "other", actor: "w", commandId: "claim" })
        ]
        const answers: Array<Exit.Exit<unknown, unknown>> = []
        for (const command of again) {
          const fiber = yield* Effect.forkScoped(Effect.exit(command))
          yield* until(Effect.map(waiting, (pids) => pids.length === 1))
          assert.isUndefined(fiber.pollUnsafe())
          yield* cancel
          answers.push(yield* Fiber.join(fiber))
        }
        assert.isTrue(answers.every((exit) => /may have been committed/.test(failureOf(exit)?.message ?? "")))

        // Also the answer that nothing is claimable depends on the claims of others.
        const nothing = yield* Effect.forkScoped(backlog.claim({ owner: "w", actor: "w", phase: "none" }))
        yield* until(Effect.map(waiting, (pids) => pids.length === 1))
        assert.isUndefined(nothing.pollUnsafe())

        yield* setStandby("")
        assert.deepStrictEqual(yield* Fiber.join(nothing), Option.none())
        assert.deepStrictEqual(
          (yield* Effect.forEach(again, Effect.exit)).map((exit) =>
            Exit.isSuccess(exit) ? "done" : (failureOf(exit) as { readonly _tag?: string } | undefined)?._tag
          ),
          [
            "done",
            "done",
            "done",
            "done",
            "done",
            "CardNotFound",
            "done",
            "done",
            "CardAlreadyExists",
            "CommandIdConflict"
          ]
        )
      })
    )
  )

  it.live(
    "reports statements whose wait was canceled as possibly committed, and the doctor warns of weaker settings",
    () =>
      withServer((options) =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const { cancel, setStandby, waiting } = yield* standbySetting(sql)
          const context = yield* Layer.build(
            AccessTokens.layer.pipe(Layer.provideMerge(Doctor.layer), Layer.provideMerge(layerPostgresClient(options)))
          )
          const tokens = Context.get(context, AccessTokens)
          const other = Context.get(context, SqlClient.SqlClient)
          yield* sql`CREATE TABLE own (id int4)`
          yield* setStandby("absent")
          for (const write of [
            tokens.create({ actor: "w", role: "worker", createdBy: "ann" }),
            other.withTransaction(other`INSERT INTO own VALUES (1)`),
            other`INSERT INTO own VALUES (2)`
          ] as ReadonlyArray<Effect.Effect<unknown, unknown>>) {
            const fiber = yield* Effect.forkScoped(Effect.exit(write))
            yield* until(Effect.map(waiting, (pids) => pids.length === 1))
            yield* cancel
            assert.match(failureOf(yield* Fiber.join(fiber))?.message ?? "", /may have been committed/)
          }
          const doctor = Context.get(context, Doctor)
          const settingsOf = Effect.map(doctor.examine, (facts) =>
            diagnose(facts).flatMap(({ check, level, what }) => (check === "standby" ? [`${level} ${what}`] : []))
          )
          assert.deepStrictEqual(yield* settingsOf, ["ok Commits wait for a synchronous standby: absent."])
        })
      )
  )
})
