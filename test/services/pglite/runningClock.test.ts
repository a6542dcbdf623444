import { layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { expect } from "vitest"
import { DatabaseClock } from "../../../src/sql/DatabaseClock.ts"
import { BacklogSchema } from "../../../src/sql/SchemaName.ts"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { type Client, currentClient, freshSchema, postgresClient, tables } from "../../support/backlogs.ts"
import { layerPgliteClient } from "../../../src/services/pglite/PgliteClient.ts"
import { readLog } from "../../support/verifyBacklog.ts"

/** A clock that advances by one second with each read. */
const runningClock = Layer.sync(DatabaseClock, () => {
  let now = Date.parse("2026-01-01T00:00:00Z")
  return { override: () => new Date((now += 1000)) }
})

/** Runs with a service that has its own schema and a running clock, over the test's client. */
const withRunningClock = <A, E>(body: Effect.Effect<A, E, BacklogService | Client>) =>
  Effect.gen(function* () {
    const client = yield* currentClient
    const inSchema = Layer.succeed(BacklogSchema)(yield* freshSchema)
    return yield* Effect.provide(
      body,
      Layer.fresh(BacklogService.layer).pipe(
        Layer.provide(runningClock),
        Layer.provideMerge(client),
        Layer.provideMerge(inSchema)
      )
    )
  }).pipe(Effect.scoped)

const suite = (name: string, clients: Layer.Layer<Client, unknown>): void =>
  layer(clients, { timeout: "60 seconds", excludeTestServices: true })(name, (it) => {
    it.effect("records no event before its decision time, also when a part of a batch is a retry", () =>
      withRunningClock(
        Effect.gen(function* () {
          const backlog = yield* BacklogService
          yield* backlog.createMany({ cards: ["a", "b", "c"].map((id) => ({ id, title: "T" })), actor: "ann" })
          const first = { id: "a", commandId: "x1" }
          yield* backlog.completeMany({ completions: [first], actor: "ann" })
          yield* backlog.completeMany({ completions: [first, { id: "b" }], actor: "ann" })
          yield* backlog.claim({ owner: "w", actor: "w" })
          const events = yield* readLog
          expect(events.map(({ type }) => type).slice(3)).toEqual(["CardCompleted", "CardCompleted", "CardClaimed"])
          expect(events.filter(({ occurredAt, recordedAt }) => occurredAt > recordedAt)).toEqual([])
        })
      )
    )

    // More events than one call of the database's function appends.
    const create1001 = (prefix: string) =>
      Effect.flatMap(BacklogService, (backlog) =>
        backlog.createMany({
          cards: Array.from({ length: 1001 }, (_, index) => ({ id: `${prefix}${index}`, title: "T" })),
          actor: "ann"
        })
      )
    const eventsByTime = Effect.gen(function* () {
      const { events, sql } = yield* tables
      const times = yield* sql<{ readonly events: number }>`
        SELECT count(*)::int4 AS events FROM ${events} GROUP BY recorded_at ORDER BY recorded_at`
      return times.map((time) => time.events)
    })

    it.effect("records all events of one command at the same time", () =>
      withRunningClock(
        Effect.gen(function* () {
          yield* create1001("c")
          expect(yield* eventsByTime).toEqual([1001])
        })
      )
    )

    it.effect("records each command in a caller's transaction at its own time", () =>
      withRunningClock(
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          yield* sql.withTransaction(Effect.andThen(create1001("a"), create1001("b")))
          expect(yield* eventsByTime).toEqual([1001, 1001])
        })
      )
    )
  })

suite("a clock that advances with each read, on PGlite", layerPgliteClient())
suite("a clock that advances with each read, on a Postgres server", postgresClient(2))
