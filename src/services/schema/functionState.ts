import { Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { arrayLiteral } from "../../sql/arrayLiteral.ts"
import { functionNames } from "./BacklogRoles.ts"

/** A function that carries out commands, as the catalog describes it. */
export interface FunctionState {
  readonly name: string
  readonly isOwners: boolean
  /** Whether every role may execute it. */
  readonly isPublic: boolean
  /**
   * Whether it works on the tables of its own schema. It has that schema's name in a setting, which keeps the old name when the
   * schema is renamed.
   */
  readonly isInSchema: boolean
}

/**
 * Reads the functions of a backlog that carry out commands. A function that is missing or has not been created yet is not in
 * the result.
 */
export const readFunctions = (
  sql: SqlClient.SqlClient,
  schema: string
): Effect.Effect<ReadonlyArray<FunctionState>, SqlError.SqlError> => sql<FunctionState>`
  SELECT proname::text AS name, proowner = relowner AS "isOwners",
    EXISTS (SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) WHERE grantee = 0) AS "isPublic",
    NOT prosecdef OR ${searchPathSetting(sql, schema)} = ANY(coalesce(proconfig, '{}')) AS "isInSchema"
  FROM pg_proc JOIN pg_class ON relnamespace = pronamespace AND relname = 'events'
  WHERE pronamespace IN (SELECT oid FROM pg_namespace WHERE nspname = ${schema})
    AND proname = ANY(${arrayLiteral(functionNames)}::text[])
  ORDER BY 1`

/** Makes the functions of a backlog work on the tables of its schema, in the caller's transaction. */
export const redirectFunctions = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, schema: string) {
  const statements = yield* sql<{ readonly statement: string }>`
    SELECT pg_catalog.format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', oid::regprocedure, ${schema}::text)
      AS statement
    FROM pg_proc WHERE ${misdirected(sql, schema)}`
  for (const { statement } of statements) yield* sql.unsafe(statement)
})

/** A condition on `pg_proc` for the functions of a backlog that work on the tables of another schema. */
export const misdirected = (sql: SqlClient.SqlClient, schema: string) => sql`
  pronamespace IN (SELECT oid FROM pg_namespace WHERE nspname = ${schema}) AND prosecdef
  AND proname = ANY(${arrayLiteral(functionNames)}::text[])
  AND ${searchPathSetting(sql, schema)} <> ALL(coalesce(proconfig, '{}'))`

/** The setting of `search_path` in `proconfig`. The temporary schema is last, so no temporary table shadows a table. */
const searchPathSetting = (sql: SqlClient.SqlClient, schema: string) =>
  sql`pg_catalog.format('search_path=pg_catalog, %I, pg_temp', ${schema}::text)`
