import { PgClient } from "@effect/sql-pg"
import { Context, DateTime, Effect, Layer, Schema, type Scope, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { randomBytes } from "node:crypto"
import { inject } from "vitest"
import { Card } from "../../src/domain/Card.ts"
import { BacklogSchema } from "../../src/sql/SchemaName.ts"
import { AuditService } from "../../src/services/AuditService.ts"
import { type BacklogServices, type BacklogTestClock, layerTestOver } from "../../src/services/layers.ts"
import { layerPostgresClient } from "../../src/services/postgres/PostgresClient.ts"

/** Either way to name a Postgres client in a context: the driver's own or the general one. */
export type Client = PgClient.PgClient | SqlClient.SqlClient

/** The server that this run's tests share; they keep apart by schema. */
export const postgresUrl = (): string => inject("postgresUrl")

/** A client of that server, with a pool of its own. */
export const postgresClient = (poolSize = 4) =>
  Layer.unwrap(Effect.sync(() => layerPostgresClient({ url: postgresUrl(), poolSize })))

/** The name of a schema that no other test uses; it is dropped, with all that is in it, when the scope ends. */
export const freshSchema: Effect.Effect<string, never, SqlClient.SqlClient | Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => `test_${randomBytes(8).toString("hex")}`),
  (schema) =>
    Effect.flatMap(SqlClient.SqlClient, (sql) => Effect.orDie(sql`DROP SCHEMA IF EXISTS ${sql(schema)} CASCADE`))
)

/** The client in the context, as a layer, and nothing else of the context. */
export const currentClient = Effect.map(Effect.context<Client>(), (context) =>
  Layer.succeedContext(
    Context.pick(
      PgClient.PgClient,
      SqlClient.SqlClient
    )(context as Context.Context<PgClient.PgClient | SqlClient.SqlClient>)
  )
)

/**
 * An empty backlog over the client in the context, in a schema of its own that `BacklogSchema` names, with a clock that
 * the test moves.
 */
export const freshBacklog = Layer.unwrap(
  Effect.gen(function* () {
    const client = yield* currentClient
    const schema = yield* freshSchema
    return Layer.mergeAll(layerTestOver(client, schema), Layer.succeed(BacklogSchema)(schema))
  })
)

/** What a test in `freshBacklog` has. */
export type TestBacklog = BacklogServices | BacklogTestClock | Scope.Scope

const encodeCard = Schema.encodeSync(Card)

/** A card as plain JSON: times as ISO-8601 text, so that whole cards can be compared and printed. */
export const plain = (card: Card): typeof Card.Encoded => encodeCard(card)

/** A time as text. */
export const iso = (time: DateTime.Utc | null): string | null => (time === null ? null : DateTime.formatIso(time))

/** A card's events: type and payload together, in order. */
export const eventsOf = (id: string) =>
  Effect.flatMap(AuditService, (audit) =>
    Effect.map(Stream.runCollect(audit.history(id)), (events) =>
      Array.from(events, (event) => ({ type: event.type, version: event.version, ...event.data }))
    )
  )

/** The tables of the backlog that `BacklogSchema` names. */
export const tables = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const schema = yield* BacklogSchema
  return {
    sql,
    schema,
    events: sql(`${schema}.events`),
    head: sql(`${schema}.head`),
    cards: sql(`${schema}.cards`),
    dependencies: sql(`${schema}.dependencies`),
    counts: sql(`${schema}.counts`),
    migrations: sql(`${schema}.migrations`)
  }
})

/** The last position of the log. */
export const headPosition = Effect.gen(function* () {
  const { head, sql } = yield* tables
  const rows = yield* sql<{ readonly position: number }>`SELECT position::float8 AS position FROM ${head}`
  return rows[0]?.position ?? -1
})

/** Checks that an effect, whatever becomes of it, leaves the log as it was, and gives its result or error. */
export const writesNothing = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const before = yield* headPosition
    const result = yield* effect
    const after = yield* headPosition
    if (after !== before) return yield* Effect.die(new Error(`${after - before} events were written`))
    return result
  })

/** Effects in an own little context of services: several backlogs side by side. */
export const within =
  <Services>(context: Context.Context<Services>) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.provideContext(effect, context)
