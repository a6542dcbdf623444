import { Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { arrayLiteral } from "../events/arrayLiteral.ts"
import type { RoleNames } from "./BacklogRoles.ts"
import { type TablePrivilege, tableGrants } from "./rolePrivileges.ts"

/** Who is granted something; the owner has everything. */
type Grantee = "writer" | "auditor"

/** Something that a role may do. */
interface Privilege {
  readonly grantee: Grantee
  /** A table; the schema when null. */
  readonly table: string | null
  /** Null for what concerns whole tables. */
  readonly column: string | null
  readonly privilege: string
}

const tableNames = tableGrants.map(({ table }) => table)

/**
 * Gives roles what they need of a backlog and takes everything else of it from them, in the caller's transaction.
 * Changes nothing where it is so already. Fails with what `refuse` makes of a problem when it cannot be so: a role is
 * missing, or has from elsewhere what it must not have.
 */
export const grantRoles = Effect.fnUntraced(function* <E>(
  sql: SqlClient.SqlClient,
  schema: string,
  names: RoleNames,
  refuse: (problem: string) => E
) {
  const grantees = (["writer", "auditor"] as const).flatMap((grantee) => {
    const name = names[grantee]
    return name === undefined ? [] : [{ grantee, name }]
  })
  const given = [...(names.owner === undefined ? [] : [names.owner]), ...grantees.map(({ name }) => name)]
  const twice = given.find((name, index) => given.indexOf(name) !== index)
  if (twice !== undefined) return yield* Effect.fail(refuse(`the role ${quoted(twice)} is given twice`))
  for (const name of given) {
    const found = name.includes("\u0000") ? [] : yield* sql`SELECT FROM pg_roles WHERE rolname::text = ${name}`
    if (found.length === 0) {
      return yield* Effect.fail(refuse(`there is no role ${quoted(name)} on the server: make it with CREATE ROLE`))
    }
  }

  for (const { grantee, name } of grantees) {
    const [row] = yield* sql<{ readonly owner: string }>`
      SELECT rolname::text AS owner FROM pg_roles WHERE pg_has_role(${name}, pg_roles.oid, 'MEMBER') AND ${
        names.owner === undefined
          ? sql`pg_roles.oid IN (SELECT relowner FROM pg_class WHERE relnamespace = ${schema}::regnamespace
              AND relname = ANY(${arrayLiteral(tableNames)}::text[]))`
          : sql`rolname::text = ${names.owner}`
      }`
    if (row !== undefined) {
      return yield* Effect.fail(
        refuse(
          `the ${grantee} ${quoted(name)} is a superuser, or the owner ${quoted(row.owner)}, or a member of it, ` +
            "and no grants would keep it from anything"
        )
      )
    }
  }

  const isOwned =
    names.owner === undefined
      ? Effect.succeed(true)
      : Effect.map(
          sql<{ readonly isOwned: boolean }>`
            SELECT has_database_privilege(${names.owner}, current_database(), 'CREATE') AND NOT EXISTS (
              SELECT nspowner AS owner FROM pg_namespace WHERE nspname = ${schema}
                AND pg_get_userbyid(nspowner) <> ${names.owner}
              UNION ALL SELECT relowner FROM pg_class WHERE relnamespace = ${schema}::regnamespace
                AND relname = ANY(${arrayLiteral(tableNames)}::text[]) AND pg_get_userbyid(relowner) <> ${names.owner}
              UNION ALL SELECT proowner FROM pg_proc WHERE pronamespace = ${schema}::regnamespace
                AND pg_proc.oid IN (${triggerFunctions(sql, schema)}) AND pg_get_userbyid(proowner) <> ${names.owner})
              AS "isOwned"`,
          (rows) => rows[0]?.isOwned === true
        )

  /** What roles may do, by whatever way they may, and who is as good as the owner. */
  const found = Effect.gen(function* () {
    const privileges: Array<Privilege> = []
    for (const { grantee, name } of grantees) {
      const rows = yield* sql<Omit<Privilege, "grantee">>`
        WITH tables AS (
          SELECT oid, relname FROM pg_class WHERE relnamespace = ${schema}::regnamespace
            AND relname = ANY(${arrayLiteral(tableNames)}::text[]))
        SELECT relname AS "table", attname AS "column", privilege
        FROM tables JOIN pg_attribute ON attrelid = tables.oid AND attnum > 0 AND NOT attisdropped,
          unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) AS privilege
        WHERE has_column_privilege(${name}, tables.oid, attnum, privilege)
        UNION ALL SELECT relname, NULL, privilege
        FROM tables, unnest(ARRAY['DELETE', 'TRUNCATE', 'TRIGGER']) AS privilege
        WHERE has_table_privilege(${name}, tables.oid, privilege)
        UNION ALL SELECT NULL, NULL, privilege FROM unnest(ARRAY['USAGE', 'CREATE']) AS privilege
        WHERE has_schema_privilege(${name}, ${schema}, privilege)`
      for (const row of rows) privileges.push({ grantee, ...row })
    }
    return privileges
  })

  const wanted = Effect.map(
    sql<{ readonly table: string; readonly column: string }>`
      SELECT relname AS "table", attname AS "column" FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
      WHERE relnamespace = ${schema}::regnamespace AND attnum > 0 AND NOT attisdropped
        AND relname = ANY(${arrayLiteral(tableNames)}::text[])`,
    (columns) =>
      grantees.flatMap(({ grantee }): ReadonlyArray<Privilege> => [
        { grantee, table: null, column: null, privilege: "USAGE" },
        ...privilegesOf(grantee).flatMap(({ on, privilege, table }): ReadonlyArray<Privilege> =>
          privilege === "DELETE"
            ? [{ grantee, table, column: null, privilege }]
            : columns
                .filter((one) => one.table === table && (on === "all" || on.includes(one.column)))
                .map(({ column }) => ({ grantee, table, column, privilege }))
        )
      ])
  )

  /** The first privilege that is not as it is to be. */
  const difference = Effect.gen(function* () {
    const [has, shall] = [yield* found, yield* wanted]
    const [hasKeys, shallKeys] = [new Set(has.map(keyOf)), new Set(shall.map(keyOf))]
    const surplus = has.find((one) => !shallKeys.has(keyOf(one)))
    if (surplus !== undefined) return { ...surplus, isSurplus: true }
    const missing = shall.find((one) => !hasKeys.has(keyOf(one)))
    return missing === undefined ? undefined : { ...missing, isSurplus: false }
  })

  const owned = yield* isOwned
  if (!owned || (yield* difference) !== undefined) {
    // A rebuild that swaps tables takes grants from the old ones to the new ones: these must not come in between.
    yield* sql`
      LOCK TABLE ${sql.literal(allTables(schema))}
      IN ${sql.literal(owned ? "SHARE UPDATE EXCLUSIVE" : "ACCESS EXCLUSIVE")} MODE`
    for (const statement of grantStatements(schema, grantees)) yield* sql.unsafe(statement)
    if (names.owner !== undefined && !owned) {
      for (const { statement } of yield* ownerStatements(sql, schema, names.owner)) yield* sql.unsafe(statement)
    }
  }

  const left = yield* difference
  if (left !== undefined) {
    const name = quoted(grantees.find(({ grantee }) => grantee === left.grantee)?.name ?? "")
    const what = `${left.privilege}${left.column === null ? "" : ` ${left.column}`} on ${left.table ?? "the schema"}`
    return yield* Effect.fail(
      refuse(
        left.isSurplus
          ? `the ${left.grantee} ${name} would keep ${what}, which it has from another role or from another's grant: take that away from it`
          : `the ${left.grantee} ${name} cannot be given ${what}`
      )
    )
  }
})

/** Functions that triggers of the tables call. */
const triggerFunctions = (sql: SqlClient.SqlClient, schema: string) => sql`
  SELECT tgfoid FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
  WHERE relnamespace = ${schema}::regnamespace AND relname = ANY(${arrayLiteral(tableNames)}::text[])`

const allTables = (schema: string): string => tableNames.map((table) => `${quoted(schema)}.${quoted(table)}`).join(", ")

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

const keyOf = ({ column, grantee, privilege, table }: Privilege): string =>
  JSON.stringify([grantee, table, column, privilege])

const privilegesOf = (grantee: Grantee) =>
  tableGrants.flatMap(({ [grantee]: privileges, table }) =>
    (Object.keys(privileges) as ReadonlyArray<TablePrivilege>).map((privilege) => ({
      table,
      privilege,
      on: privileges[privilege] ?? []
    }))
  )

const grantStatements = (
  schema: string,
  grantees: ReadonlyArray<{ readonly grantee: Grantee; readonly name: string }>
): ReadonlyArray<string> => {
  const place = quoted(schema)
  const others = ["PUBLIC", ...grantees.map(({ name }) => quoted(name))].join(", ")
  return [
    `REVOKE ALL ON SCHEMA ${place} FROM ${others}`,
    `REVOKE ALL ON ${allTables(schema)} FROM ${others}`,
    ...grantees.flatMap(({ grantee, name }) => [
      `GRANT USAGE ON SCHEMA ${place} TO ${quoted(name)}`,
      ...privilegesOf(grantee).map(({ on, privilege, table }) => {
        const columns = on === "all" ? "" : ` (${on.map(quoted).join(", ")})`
        return `GRANT ${privilege}${columns} ON ${place}.${quoted(table)} TO ${quoted(name)}`
      })
    ])
  ]
}

/** What makes a role the owner: a rebuild also makes a schema of its own. */
const ownerStatements = (
  sql: SqlClient.SqlClient,
  schema: string,
  owner: string
): Effect.Effect<ReadonlyArray<{ readonly statement: string }>, SqlError.SqlError> => sql`
  SELECT statement FROM (
    SELECT 1 AS place, format('GRANT CREATE ON DATABASE %I TO %I', current_database(), ${owner}::text) AS statement
    WHERE NOT has_database_privilege(${owner}, current_database(), 'CREATE')
    UNION ALL SELECT 2, format('ALTER SCHEMA %I OWNER TO %I', nspname, ${owner}::text)
    FROM pg_namespace WHERE nspname = ${schema}
    UNION ALL SELECT 3, format('ALTER TABLE %s OWNER TO %I', oid::regclass, ${owner}::text)
    FROM pg_class WHERE relnamespace = ${schema}::regnamespace AND relname = ANY(${arrayLiteral(tableNames)}::text[])
    UNION ALL SELECT 4, format('ALTER FUNCTION %s OWNER TO %I', oid::regprocedure, ${owner}::text)
    FROM pg_proc WHERE pronamespace = ${schema}::regnamespace AND oid IN (${triggerFunctions(sql, schema)})) AS statements
  ORDER BY place`
