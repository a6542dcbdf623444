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
import { pooledSchema } from "./SchemaPool.ts"

/** The services of a Postgres client: the driver's and the general one. */
export type Client = PgClient.PgClient | SqlClient.SqlClient

/** The URL of the server that all tests of this run share. Each test uses its own schema. */
export const postgresUrl = (): string => inject("postgresUrl")

/** A client of that server, with its own pool. */
export const postgresClient = (poolSize = 4) =>
  Layer.unwrap(Effect.sync(() => layerPostgresClient({ url: postgresUrl(), poolSize })))

/** The name of a schema that no other test uses. The schema is dropped when the scope ends. */
export const freshSchema: Effect.Effect<string, never, SqlClient.SqlClient | Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => `test_${randomBytes(8).toString("hex")}`),
  (schema) =>
    Effect.flatMap(SqlClient.SqlClient, (sql) => Effect.orDie(sql`DROP SCHEMA IF EXISTS ${sql(schema)} CASCADE`))
)

/** The client in the context, as a layer without the other services of the context. */
export const currentClient = Effect.map(Effect.context<Client>(), (context) =>
  Layer.succeedContext(
    Context.pick(
      PgClient.PgClient,
      SqlClient.SqlClient
    )(context as Context.Context<PgClient.PgClient | SqlClient.SqlClient>)
  )
)

/**
 * An empty backlog over the client in the context, in its own schema, which `BacklogSchema` names, with a clock that the
 * test sets.
 */
export const freshBacklog = Layer.unwrap(
  Effect.gen(function* () {
    const client = yield* currentClient
    const schema = yield* pooledSchema
    return Layer.mergeAll(layerTestOver(client, schema), Layer.succeed(BacklogSchema)(schema))
  })
)

/** The services of a test in `freshBacklog`. */
export type TestBacklog = BacklogServices | BacklogTestClock | Scope.Scope

const encodeCard = Schema.encodeSync(Card)

/** A card as plain JSON with times as ISO-8601 text, to compare and print whole cards. */
export const plain = (card: Card): typeof Card.Encoded => encodeCard(card)

/** A time as text. */
export const iso = (time: DateTime.Utc | null): string | null => (time === null ? null : DateTime.formatIso(time))

/** The events of a card in order, each as its type and payload in one object. */
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

/** Checks that an effect, successful or not, does not append to the log. Returns its result or error. */
export const writesNothing = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const before = yield* headPosition
    const result = yield* effect
    const after = yield* headPosition
    if (after !== before) return yield* Effect.die(new Error(`${after - before} events were written`))
    return result
  })

/** Runs effects with their own services, for tests with several backlogs. */
export const within =
  <Services>(context: Context.Context<Services>) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.provideContext(effect, context)
