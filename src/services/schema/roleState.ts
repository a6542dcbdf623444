import { Effect } from "effect"
import type { SqlClient, SqlError, Statement } from "effect/sql"
import { arrayLiteral } from "../../sql/arrayLiteral.ts"
import { privilegesOf, type Role, tableNames } from "./rolePrivileges.ts"

/** A role of the database and what it is to be. */
export interface Grantee {
  readonly role: Role
  readonly name: string
}

/** Something that a role may do. */
interface Privilege {
  readonly role: Role
  /** A table; the schema when null. */
  readonly table: string | null
  /** Null for what concerns whole tables. */
  readonly column: string | null
  readonly privilege: string
}

/** A privilege that a role has and shall not have, or the other way round. */
export interface Difference extends Privilege {
  readonly isSurplus: boolean
}

/** Tables of a backlog, and whatever else of them a query of the catalog names. */
export const tablesOf = (sql: SqlClient.SqlClient, schema: string): Statement.Fragment =>
  sql`relnamespace = ${schema}::regnamespace AND relname = ANY(${arrayLiteral(tableNames)}::text[])`

/** Functions of a backlog: those that triggers of its tables call, and the one that commands call. */
export const functionsOf = (sql: SqlClient.SqlClient, schema: string): Statement.Fragment => sql`
  SELECT tgfoid FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid WHERE ${tablesOf(sql, schema)}
  UNION ALL SELECT oid FROM pg_proc WHERE pronamespace = ${schema}::regnamespace AND proname = 'server_identity'`

/** Whether a role owns a backlog and everything in it, and may do what an owner has to. */
export const isOwner = (
  sql: SqlClient.SqlClient,
  schema: string,
  name: string
): Effect.Effect<boolean, SqlError.SqlError> =>
  Effect.map(
    sql<{ readonly isOwner: boolean }>`
      SELECT has_database_privilege(${name}, current_database(), 'CREATE') AND NOT EXISTS (
        SELECT FROM pg_namespace WHERE nspname = ${schema} AND pg_get_userbyid(nspowner) <> ${name}
        UNION ALL SELECT FROM pg_class WHERE ${tablesOf(sql, schema)} AND pg_get_userbyid(relowner) <> ${name}
        UNION ALL SELECT FROM pg_proc WHERE pronamespace = ${schema}::regnamespace
          AND oid IN (${functionsOf(sql, schema)}) AND pg_get_userbyid(proowner) <> ${name}) AS "isOwner"`,
    (rows) => rows[0]?.isOwner === true
  )

/** The owner that a role is as good as, being a superuser, the owner, or a member of it: of those in place, or of the one to come. */
export const ownerWithin = (
  sql: SqlClient.SqlClient,
  schema: string,
  name: string,
  owner: string | undefined
): Effect.Effect<string | undefined, SqlError.SqlError> =>
  Effect.map(
    sql<{ readonly owner: string }>`
      SELECT rolname::text AS owner FROM pg_roles WHERE pg_has_role(${name}, oid, 'MEMBER') AND ${
        owner === undefined
          ? sql`oid IN (SELECT relowner FROM pg_class WHERE ${tablesOf(sql, schema)})`
          : sql`rolname::text = ${owner}`
      }`,
    (rows) => rows[0]?.owner
  )

/** The first privilege of some roles that is not as it shall be, by whatever way they have come to it. */
export const firstDifference = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  schema: string,
  grantees: ReadonlyArray<Grantee>
): Effect.fn.Return<Difference | undefined, SqlError.SqlError> {
  const columns = yield* sql<{ readonly table: string; readonly column: string }>`
    SELECT relname AS "table", attname AS "column" FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
    WHERE ${tablesOf(sql, schema)} AND attnum > 0 AND NOT attisdropped`
  for (const { name, role } of grantees) {
    const found = yield* sql<Omit<Privilege, "role">>`
      WITH tables AS (SELECT oid, relname FROM pg_class WHERE ${tablesOf(sql, schema)})
      SELECT relname AS "table", attname AS "column", privilege
      FROM tables JOIN pg_attribute ON attrelid = tables.oid AND attnum > 0 AND NOT attisdropped,
        pg_catalog.unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) AS privilege
      WHERE has_column_privilege(${name}, tables.oid, attnum, privilege)
      UNION ALL SELECT relname, NULL, privilege FROM tables, pg_catalog.unnest(ARRAY['DELETE', 'TRUNCATE', 'TRIGGER']
        || CASE WHEN current_setting('server_version_num')::int4 >= 170000 THEN '{MAINTAIN}' ELSE '{}' END::text[]) AS privilege
      WHERE has_table_privilege(${name}, tables.oid, privilege)
      UNION ALL SELECT NULL, NULL, privilege FROM pg_catalog.unnest(ARRAY['USAGE', 'CREATE']) AS privilege
      WHERE has_schema_privilege(${name}, ${schema}, privilege)`
    const has = found.map((one): Privilege => ({ role, ...one }))
    const shall = wanted(role, columns)
    const [hasKeys, shallKeys] = [new Set(has.map(keyOf)), new Set(shall.map(keyOf))]
    const surplus = has.find((one) => !shallKeys.has(keyOf(one)))
    if (surplus !== undefined) return { ...surplus, isSurplus: true }
    const missing = shall.find((one) => !hasKeys.has(keyOf(one)))
    if (missing !== undefined) return { ...missing, isSurplus: false }
  }
  return undefined
})

const wanted = (
  role: Role,
  columns: ReadonlyArray<{ readonly table: string; readonly column: string }>
): ReadonlyArray<Privilege> => [
  { role, table: null, column: null, privilege: "USAGE" },
  ...privilegesOf(role).flatMap(({ on, privilege, table }): ReadonlyArray<Privilege> =>
    privilege === "DELETE"
      ? [{ role, table, column: null, privilege }]
      : columns
          .filter((one) => one.table === table && (on === "all" || on.includes(one.column)))
          .map(({ column }) => ({ role, table, column, privilege }))
  )
]

const keyOf = ({ column, privilege, table }: Privilege): string => JSON.stringify([table, column, privilege])
