import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { inTransaction } from "../../src/sql/inTransaction.ts"
import { freshSchema, tables } from "./backlogs.ts"
import { tableNames } from "./tampering.ts"

/**
 * Saves what the tables of the backlog hold now. The effect that it gives brings that back, as a restored backup of the
 * whole server does: the tables and the server stay the same.
 */
export const saveBacklog = Effect.gen(function* () {
  const { schema, sql } = yield* tables
  const beside = yield* freshSchema
  const names = yield* tableNames
  yield* sql`CREATE SCHEMA ${sql(beside)}`
  for (const name of names) yield* sql`CREATE TABLE ${sql(`${beside}.${name}`)} AS TABLE ${sql(`${schema}.${name}`)}`
  return Effect.gen(function* () {
    const client = yield* SqlClient.SqlClient
    // No trigger: the log is append-only to everybody else.
    yield* client`SELECT set_config('session_replication_role', 'replica', true)`
    for (const name of names) {
      yield* client`DELETE FROM ${client(`${schema}.${name}`)}`
      yield* client`INSERT INTO ${client(`${schema}.${name}`)} SELECT * FROM ${client(`${beside}.${name}`)}`
    }
  }).pipe(inTransaction(sql), Effect.provideService(SqlClient.SqlClient, sql))
})
