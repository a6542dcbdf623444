import { Effect } from "effect"
import type { SqlClient, SqlError, Statement } from "effect/sql"
import {
  functionNames,
  functionsOf,
  privilegesOf,
  type Role,
  type RoleNames,
  tableNames,
  typeNames
} from "./BacklogRoles.ts"
import { arrayLiteral } from "../../sql/arrayLiteral.ts"

/**
 * Grants roles the privileges that they need on a backlog, and revokes all others, in the caller's transaction. Changes
 * nothing when the privileges are correct already. Fails with the error of `refuse` when a role does not exist, or has a
 * surplus privilege from elsewhere.
 */
export const grantRoles = Effect.fnUntraced(function* <E>(
  sql: SqlClient.SqlClient,
  schema: string,
  { auditor, owner, writer }: RoleNames,
  refuse: (problem: string) => E
) {
  const grantees: ReadonlyArray<Grantee> = [
    ...(writer === undefined ? [] : [{ role: "writer" as const, name: writer }]),
    ...(auditor === undefined ? [] : [{ role: "auditor" as const, name: auditor }])
  ]
  const names = [...(owner === undefined ? [] : [owner]), ...grantees.map(({ name }) => name)]
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) return yield* Effect.fail(refuse(`the role ${quoted(twice)} is given twice`))
  for (const name of names) {
    const found = name.includes("\u0000") ? [] : yield* sql`SELECT FROM pg_roles WHERE rolname::text = ${name}`
    if (found.length === 0) {
      return yield* Effect.fail(refuse(`there is no role ${quoted(name)} on the server: create it with CREATE ROLE`))
    }
  }
  for (const { name, role } of grantees) {
    const within = yield* ownerWithin(sql, schema, name, owner)
    if (within !== undefined) {
      return yield* Effect.fail(
        refuse(
          `the ${role} ${quoted(name)} is a superuser, or the owner ${quoted(within)}, or a member of it, so ` +
            "grants cannot restrict it"
        )
      )
    }
  }

  const isOwned = owner === undefined || (yield* isOwner(sql, schema, owner))
  if (isOwned && (yield* findDifference(sql, schema, grantees)) === undefined) return
  // A rebuild copies the grants of the old tables to the new ones. The lock keeps this transaction out of that.
  yield* sql`
    LOCK TABLE ${sql.literal(allTables(schema))}
    IN ${sql.literal(isOwned ? "SHARE UPDATE EXCLUSIVE" : "ACCESS EXCLUSIVE")} MODE`
  for (const statement of grantStatements(schema, grantees)) yield* sql.unsafe(statement)
  if (owner !== undefined && !isOwned) yield* changeOwner(sql, schema, owner)
  const left = yield* findDifference(sql, schema, grantees)
  if (left !== undefined) {
    const { name } = grantees.find(({ role }) => role === left.role) ?? { name: "" }
    return yield* Effect.fail(refuse(describe(left, name)))
  }
})

const describe = ({ column, isSurplus, on, privilege, role }: Difference, name: string): string => {
  const what = `${privilege}${column === null ? "" : ` ${column}`} on ${on}`
  return isSurplus
    ? `the ${role} ${quoted(name)} would still have ${what}, from another role or grantor: revoke it there`
    : `the ${role} ${quoted(name)} cannot be granted ${what}`
}

/** Formats a name as an identifier. */
export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

const allTables = (schema: string): string => tableNames.map((table) => `${quoted(schema)}.${quoted(table)}`).join(", ")

const functionList = (schema: string, names: ReadonlyArray<string>): string =>
  names.map((name) => `${quoted(schema)}.${quoted(name)}`).join(", ")

const grantStatements = (schema: string, grantees: ReadonlyArray<Grantee>): ReadonlyArray<string> => {
  const place = quoted(schema)
  const others = ["PUBLIC", ...grantees.map(({ name }) => quoted(name))].join(", ")
  return [
    `REVOKE ALL ON SCHEMA ${place} FROM ${others}`,
    `REVOKE ALL ON ${allTables(schema)} FROM ${others}`,
    `REVOKE ALL ON FUNCTION ${functionList(schema, functionNames)} FROM ${others}`,
    ...grantees.flatMap(({ name, role }) => [
      `GRANT USAGE ON SCHEMA ${place} TO ${quoted(name)}`,
      ...privilegesOf(role).map(({ on, privilege, table }) => {
        const columns = on === "all" ? "" : ` (${on.map(quoted).join(", ")})`
        return `GRANT ${privilege}${columns} ON ${place}.${quoted(table)} TO ${quoted(name)}`
      }),
      ...(functionsOf(role).length === 0
        ? []
        : [`GRANT EXECUTE ON FUNCTION ${functionList(schema, functionsOf(role))} TO ${quoted(name)}`])
    ])
  ]
}

/** Makes a role the owner of a backlog and everything in it. It needs CREATE on the database for rebuilds. */
const changeOwner = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, schema: string, owner: string) {
  yield* run(
    sql,
    sql`
      SELECT pg_catalog.format('GRANT CREATE ON DATABASE %I TO %I', current_database(), ${owner}::text) AS statement
      WHERE NOT has_database_privilege(${owner}, current_database(), 'CREATE')
      UNION ALL SELECT pg_catalog.format('ALTER SCHEMA %I OWNER TO %I', nspname, ${owner}::text)
      FROM pg_namespace WHERE nspname = ${schema}`
  )
  yield* run(sql, objectStatements(sql, schema, owner, sql`true`))
})

/** Gives what a migration of another role created to the owner of the backlog, in the caller's transaction. */
export const keepOwner = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, schema: string) {
  const [table] = yield* sql<{ readonly owner: string }>`
    SELECT pg_get_userbyid(relowner)::text AS owner FROM pg_class
    WHERE relnamespace = ${schema}::regnamespace AND relname = 'migrations'
      AND pg_get_userbyid(relowner) <> current_user`
  if (table === undefined) return
  yield* run(sql, objectStatements(sql, schema, table.owner, sql`pg_get_userbyid(owner) = current_user`))
})

/** The statements that give objects to an owner. `which` is a condition on the column `owner`. */
const objectStatements = (
  sql: SqlClient.SqlClient,
  schema: string,
  owner: string,
  which: Statement.Fragment
): Statement.Statement<{ readonly statement: string }> => sql`
  SELECT pg_catalog.format('ALTER %s %s OWNER TO %I', kind, name, ${owner}::text) AS statement FROM (
    SELECT 'TABLE' AS kind, oid::regclass::text AS name, relowner AS owner FROM pg_class WHERE ${ofTables(sql, schema)}
    UNION ALL SELECT 'FUNCTION', oid::regprocedure::text, proowner FROM pg_proc WHERE ${ofFunctions(sql, schema)}
    UNION ALL SELECT 'TYPE', oid::regtype::text, typowner FROM pg_type WHERE ${ofTypes(sql, schema)}) AS objects
  WHERE ${which}`

const run = (sql: SqlClient.SqlClient, query: Statement.Statement<{ readonly statement: string }>) =>
  Effect.flatMap(query, (rows) => Effect.forEach(rows, ({ statement }) => sql.unsafe(statement), { discard: true }))

/** A database role, and its role in the backlog. */
interface Grantee {
  readonly role: Role
  readonly name: string
}

/** A privilege of a role. */
interface Privilege {
  readonly role: Role
  /** The name of a table, `the function` and its name, or `the schema`. */
  readonly on: string
  /** The column. Null for privileges on the whole of it. */
  readonly column: string | null
  readonly privilege: string
}

/** A privilege that a role has and must not have (`isSurplus`), or needs and does not have. */
export interface Difference extends Privilege {
  readonly isSurplus: boolean
}

/** A condition on `pg_class` for the tables of a backlog. */
const ofTables = (sql: SqlClient.SqlClient, schema: string): Statement.Fragment =>
  sql`relnamespace = ${schema}::regnamespace AND relname = ANY(${arrayLiteral(tableNames)}::text[])`

/** A condition on `pg_proc` for the functions of a backlog: those of its triggers, and those that programs call. */
const ofFunctions = (sql: SqlClient.SqlClient, schema: string): Statement.Fragment => sql`
  pronamespace = ${schema}::regnamespace AND (
    proname = ANY(${arrayLiteral([...functionNames, "server_identity"])}::text[])
    OR oid IN (SELECT tgfoid FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid WHERE ${ofTables(sql, schema)}))`

/** A condition on `pg_type` for the types of a backlog. */
const ofTypes = (sql: SqlClient.SqlClient, schema: string): Statement.Fragment =>
  sql`typnamespace = ${schema}::regnamespace AND typname = ANY(${arrayLiteral(typeNames)}::text[])`

/** Whether a role owns a backlog and everything in it, and can create schemas for rebuilds. */
const isOwner = (sql: SqlClient.SqlClient, schema: string, name: string): Effect.Effect<boolean, SqlError.SqlError> =>
  Effect.map(
    sql<{ readonly isOwner: boolean }>`
      SELECT has_database_privilege(${name}, current_database(), 'CREATE') AND NOT EXISTS (
        SELECT FROM pg_namespace WHERE nspname = ${schema} AND pg_get_userbyid(nspowner) <> ${name}
        UNION ALL SELECT FROM pg_class WHERE ${ofTables(sql, schema)} AND pg_get_userbyid(relowner) <> ${name}
        UNION ALL SELECT FROM pg_proc WHERE ${ofFunctions(sql, schema)} AND pg_get_userbyid(proowner) <> ${name}
        UNION ALL SELECT FROM pg_type WHERE ${ofTypes(sql, schema)} AND pg_get_userbyid(typowner) <> ${name}) AS "isOwner"`,
    (rows) => rows[0]?.isOwner === true
  )

/** The current or future owner with which a role has equal power: it is a superuser, the owner, or a member of the owner. */
const ownerWithin = (
  sql: SqlClient.SqlClient,
  schema: string,
  name: string,
  owner: string | undefined
): Effect.Effect<string | undefined, SqlError.SqlError> =>
  Effect.map(
    sql<{ readonly owner: string }>`
      SELECT rolname::text AS owner FROM pg_roles WHERE pg_has_role(${name}, oid, 'MEMBER') AND ${
        owner === undefined
          ? sql`oid IN (SELECT relowner FROM pg_class WHERE ${ofTables(sql, schema)})`
          : sql`rolname::text = ${owner}`
      }`,
    (rows) => rows[0]?.owner
  )

/** Finds the first privilege of a role that is surplus or missing, whatever the role has it from. */
export const findDifference = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  schema: string,
  grantees: ReadonlyArray<Grantee>
): Effect.fn.Return<Difference | undefined, SqlError.SqlError> {
  const columns = yield* sql<{ readonly table: string; readonly column: string }>`
    SELECT relname AS "table", attname AS "column" FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
    WHERE ${ofTables(sql, schema)} AND attnum > 0 AND NOT attisdropped`
  for (const { name, role } of grantees) {
    const found = yield* sql<Omit<Privilege, "role">>`
      WITH tables AS (SELECT oid, relname FROM pg_class WHERE ${ofTables(sql, schema)})
      SELECT relname::text AS "on", attname AS "column", privilege
      FROM tables JOIN pg_attribute ON attrelid = tables.oid AND attnum > 0 AND NOT attisdropped,
        pg_catalog.unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) AS privilege
      WHERE has_column_privilege(${name}, tables.oid, attnum, privilege)
      UNION ALL SELECT relname, NULL, privilege FROM tables, pg_catalog.unnest(ARRAY['DELETE', 'TRUNCATE', 'TRIGGER']
        || CASE WHEN current_setting('server_version_num')::int4 >= 170000 THEN '{MAINTAIN}' ELSE '{}' END::text[]) AS privilege
      WHERE has_table_privilege(${name}, tables.oid, privilege)
      UNION ALL SELECT pg_catalog.concat(${onFunction("")}::text, proname), NULL, 'EXECUTE' FROM pg_proc
      WHERE pronamespace = ${schema}::regnamespace AND proname = ANY(${arrayLiteral(functionNames)}::text[])
        AND has_function_privilege(${name}, oid, 'EXECUTE')
      UNION ALL SELECT ${onSchema}::text, NULL, privilege FROM pg_catalog.unnest(ARRAY['USAGE', 'CREATE']) AS privilege
      WHERE has_schema_privilege(${name}, ${schema}, privilege)`
    const has = found.map((one): Privilege => ({ role, ...one }))
    const needed = neededPrivileges(role, columns)
    const [hasKeys, neededKeys] = [new Set(has.map(keyOf)), new Set(needed.map(keyOf))]
    const surplus = has.find((one) => !neededKeys.has(keyOf(one)))
    if (surplus !== undefined) return { ...surplus, isSurplus: true }
    const missing = needed.find((one) => !hasKeys.has(keyOf(one)))
    if (missing !== undefined) return { ...missing, isSurplus: false }
  }
  return undefined
})

const neededPrivileges = (
  role: Role,
  columns: ReadonlyArray<{ readonly table: string; readonly column: string }>
): ReadonlyArray<Privilege> => [
  { role, on: onSchema, column: null, privilege: "USAGE" },
  ...functionsOf(role).map((name) => ({ role, on: onFunction(name), column: null, privilege: "EXECUTE" })),
  ...privilegesOf(role).flatMap(({ on, privilege, table }): ReadonlyArray<Privilege> =>
    privilege === "DELETE"
      ? [{ role, on: table, column: null, privilege }]
      : columns
          .filter((one) => one.table === table && (on === "all" || on.includes(one.column)))
          .map(({ column }) => ({ role, on: table, column, privilege }))
  )
]

const onSchema = "the schema"

const onFunction = (name: string): string => `the function ${name}`

const keyOf = ({ column, on, privilege }: Privilege): string => JSON.stringify([on, column, privilege])
