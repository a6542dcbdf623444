import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { inTransaction } from "../../src/sql/inTransaction.ts"
import { freshSchema, tables } from "./backlogs.ts"
import { tableNames } from "./tampering.ts"

/**
 * Saves the content of the backlog's tables. Returns an effect that restores it, like a restored backup of the whole server:
 * the tables and the server remain the same.
 */
export const saveBacklog = Effect.gen(function* () {
  const { schema, sql } = yield* tables
  const copy = yield* freshSchema
  const names = yield* tableNames
  yield* sql`CREATE SCHEMA ${sql(copy)}`
  for (const name of names) yield* sql`CREATE TABLE ${sql(`${copy}.${name}`)} AS TABLE ${sql(`${schema}.${name}`)}`
  return Effect.gen(function* () {
    const client = yield* SqlClient.SqlClient
    // Disables the triggers that make the log append-only.
    yield* client`SELECT set_config('session_replication_role', 'replica', true)`
    for (const name of names) {
      yield* client`DELETE FROM ${client(`${schema}.${name}`)}`
      yield* client`INSERT INTO ${client(`${schema}.${name}`)} SELECT * FROM ${client(`${copy}.${name}`)}`
    }
  }).pipe(inTransaction(sql), Effect.provideService(SqlClient.SqlClient, sql))
})
