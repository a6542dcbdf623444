import { Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import type { RoleNames } from "./BacklogRoles.ts"
import { privilegesOf, tableNames } from "./rolePrivileges.ts"
import {
  type Difference,
  firstDifference,
  type Grantee,
  isOwner,
  ownerWithin,
  tablesOf,
  functionsOf
} from "./roleState.ts"

/**
 * Gives roles what they need of a backlog and takes everything else of it from them, in the caller's transaction.
 * Changes nothing where it is so already. Fails with what `refuse` makes of a problem when it cannot be so: a role is
 * missing, or has from elsewhere what it must not have.
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
      return yield* Effect.fail(refuse(`there is no role ${quoted(name)} on the server: make it with CREATE ROLE`))
    }
  }
  for (const { name, role } of grantees) {
    const within = yield* ownerWithin(sql, schema, name, owner)
    if (within !== undefined) {
      return yield* Effect.fail(
        refuse(
          `the ${role} ${quoted(name)} is a superuser, or the owner ${quoted(within)}, or a member of it, and no ` +
            "grants would keep it from anything"
        )
      )
    }
  }

  const isOwned = owner === undefined || (yield* isOwner(sql, schema, owner))
  if (isOwned && (yield* firstDifference(sql, schema, grantees)) === undefined) return
  // A rebuild that swaps tables takes grants from the old ones to the new ones: these must not come in between.
  yield* sql`
    LOCK TABLE ${sql.literal(allTables(schema))}
    IN ${sql.literal(isOwned ? "SHARE UPDATE EXCLUSIVE" : "ACCESS EXCLUSIVE")} MODE`
  for (const statement of grantStatements(schema, grantees)) yield* sql.unsafe(statement)
  if (owner !== undefined && !isOwned) {
    for (const { statement } of yield* ownerStatements(sql, schema, owner)) yield* sql.unsafe(statement)
  }
  const left = yield* firstDifference(sql, schema, grantees)
  if (left !== undefined) {
    const { name } = grantees.find(({ role }) => role === left.role) ?? { name: "" }
    return yield* Effect.fail(refuse(describe(left, name)))
  }
})

const describe = ({ column, isSurplus, privilege, role, table }: Difference, name: string): string => {
  const what = `${privilege}${column === null ? "" : ` ${column}`} on ${table ?? "the schema"}`
  return isSurplus
    ? `the ${role} ${quoted(name)} would keep ${what}, which it has from another role or from another's grant: take that away from it`
    : `the ${role} ${quoted(name)} cannot be given ${what}`
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

const allTables = (schema: string): string => tableNames.map((table) => `${quoted(schema)}.${quoted(table)}`).join(", ")

const grantStatements = (schema: string, grantees: ReadonlyArray<Grantee>): ReadonlyArray<string> => {
  const place = quoted(schema)
  const others = ["PUBLIC", ...grantees.map(({ name }) => quoted(name))].join(", ")
  return [
    `REVOKE ALL ON SCHEMA ${place} FROM ${others}`,
    `REVOKE ALL ON ${allTables(schema)} FROM ${others}`,
    ...grantees.flatMap(({ name, role }) => [
      `GRANT USAGE ON SCHEMA ${place} TO ${quoted(name)}`,
      ...privilegesOf(role).map(({ on, privilege, table }) => {
        const columns = on === "all" ? "" : ` (${on.map(quoted).join(", ")})`
        return `GRANT ${privilege}${columns} ON ${place}.${quoted(table)} TO ${quoted(name)}`
      })
    ])
  ]
}

/** What makes a role the owner. It makes schemas when it rebuilds. */
const ownerStatements = (
  sql: SqlClient.SqlClient,
  schema: string,
  owner: string
): Effect.Effect<ReadonlyArray<{ readonly statement: string }>, SqlError.SqlError> => sql`
  SELECT statement FROM (
    SELECT 1 AS place, pg_catalog.format('GRANT CREATE ON DATABASE %I TO %I', current_database(), ${owner}::text) AS statement
    WHERE NOT has_database_privilege(${owner}, current_database(), 'CREATE')
    UNION ALL SELECT 2, pg_catalog.format('ALTER SCHEMA %I OWNER TO %I', nspname, ${owner}::text)
    FROM pg_namespace WHERE nspname = ${schema}
    UNION ALL SELECT 3, pg_catalog.format('ALTER TABLE %s OWNER TO %I', oid::regclass, ${owner}::text)
    FROM pg_class WHERE ${tablesOf(sql, schema)}
    UNION ALL SELECT 4, pg_catalog.format('ALTER FUNCTION %s OWNER TO %I', oid::regprocedure, ${owner}::text)
    FROM pg_proc WHERE pronamespace = ${schema}::regnamespace AND oid IN (${functionsOf(sql, schema)})) AS statements
  ORDER BY place`
