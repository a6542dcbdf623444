import { Effect } from "effect"
import type { SqlClient } from "effect/sql"
import type { CardId } from "../domain/CardId.ts"
import { enableArrayNulls } from "../sql/arrayLiteral.ts"

/** The schema in which a rebuild makes its tables. */
export const besideSchema = (sql: SqlClient.SqlClient, schema: string) =>
  Effect.map(
    sql<{ readonly name: string }>`SELECT 'mosaic_rebuild_' || ${schema}::regnamespace::oid::text AS name`,
    (rows) => rows[0]?.name ?? "mosaic_rebuild"
  )

/**
 * Locks it until the caller's transaction ends, before any other lock. Creating and dropping it takes the exclusive mode,
 * which waits for every transaction that uses it. Rows may then be written there.
 */
export const lockBeside = (sql: SqlClient.SqlClient, schema: string, mode: "shared" | "exclusive") =>
  Effect.andThen(
    sql`LOCK TABLE ${sql(`${schema}.rebuild_lock`)} IN ${sql.literal(mode === "exclusive" ? "EXCLUSIVE" : "ROW EXCLUSIVE")} MODE`,
    sql`SELECT ${enableArrayNulls(sql)}`
  )

/**
 * Removes a card's row from the tables of a rebuild that is under way, which makes it anew when it catches up, or was
 * killed, in the caller's transaction, which has locked the schema beside. The old row's bytes stay in its file until a
 * removal.
 */
export const forgetBeside = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, schema: string, id: CardId) {
  const cards = `${yield* besideSchema(sql, schema)}.cards`
  const [found] = yield* sql<{ readonly may: boolean | null }>`
    SELECT has_table_privilege(to_regclass(${cards}), 'DELETE') AS may`
  if (found?.may !== true) return
  yield* sql`DELETE FROM ${sql(cards)} WHERE id = ${id}`
})
