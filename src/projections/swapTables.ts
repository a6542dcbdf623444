import { Effect } from "effect"
import type { SqlClient } from "effect/sql"

/** The tables of a read model, in the order in which everybody locks them. */
const tableNames = ["cards", "dependencies"] as const

/**
 * What the live tables have, or what depends on them, that the tables beside have not: columns, indexes, constraints,
 * triggers, views, publications.
 */
export const addedObjects = (sql: SqlClient.SqlClient, live: string, beside: string) =>
  Effect.map(
    sql<{ readonly added: string }>`
      WITH tables AS (
        SELECT oid, relname, nspname FROM pg_class JOIN (
          SELECT oid AS nspoid, nspname FROM pg_namespace WHERE nspname IN (${live}, ${beside})) AS schemas
          ON relnamespace = nspoid
        WHERE relkind = 'r' AND relname IN ${sql.in(tableNames)}),
      objects AS (
        SELECT nspname, type || ' ' || replace(identity, quote_ident(nspname) || '.', '') AS object
        FROM tables JOIN pg_depend ON refclassid = 'pg_class'::regclass AND refobjid = tables.oid
          CROSS JOIN LATERAL pg_identify_object(classid, objid, 0)
          LEFT JOIN pg_constraint ON classid = 'pg_constraint'::regclass AND pg_constraint.oid = objid
        WHERE type NOT IN ('toast table', 'composite type') AND contype IS DISTINCT FROM 'n'
        UNION SELECT nspname, 'column ' || attname || ' of ' || relname
        FROM tables JOIN pg_attribute ON attrelid = tables.oid WHERE attnum > 0 AND NOT attisdropped)
      SELECT object AS added FROM objects WHERE nspname = ${live}
      EXCEPT SELECT object FROM objects WHERE nspname = ${beside} ORDER BY added`,
    (rows) => rows.map(({ added }) => added)
  )

/** Puts the tables beside in the place of the live ones, with the same owner, grants and storage parameters. */
export const swapTables = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, schema: string, beside: string) {
  const statements = yield* sql<{ readonly statement: string }>`
    WITH live AS (
      SELECT relname, oid, relowner, relacl, reloptions, pg_get_userbyid(relowner) AS owner FROM pg_class
      WHERE relnamespace = ${schema}::regnamespace AND relname IN ${sql.in(tableNames)}),
    new AS (
      SELECT pg_class.oid, pg_catalog.format('%I.%I', ${beside}::text, pg_class.relname) AS name, pg_class.relname,
        pg_class.relowner, pg_class.relacl
      FROM pg_class JOIN live ON live.relname = pg_class.relname WHERE relnamespace = ${beside}::regnamespace),
    -- Whatever default privileges have given to others is taken back before the live table's grants are given.
    statements (place, statement) AS (
      SELECT 1, pg_catalog.format('GRANT CREATE ON SCHEMA %I TO %I', ${beside}::text, owner)
      FROM live JOIN new USING (relname) WHERE new.relowner <> live.relowner
      UNION SELECT 2, pg_catalog.format('ALTER TABLE %s OWNER TO %I', name, owner)
      FROM live JOIN new USING (relname) WHERE new.relowner <> live.relowner
      UNION SELECT 3, pg_catalog.format('REVOKE ALL ON %s FROM %s', name, ${grantee(sql)})
      FROM live JOIN new USING (relname), aclexplode(new.relacl) WHERE grantee NOT IN (new.relowner, live.relowner)
      UNION SELECT 4, pg_catalog.format('GRANT %s ON %s TO %s%s', privilege_type, name, ${grantee(sql)},
        CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
      FROM live JOIN new USING (relname), aclexplode(live.relacl) WHERE grantee <> live.relowner
      UNION SELECT 4, pg_catalog.format('GRANT %s (%I) ON %s TO %s%s', privilege_type, attname, name, ${grantee(sql)},
        CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
      FROM live JOIN new USING (relname) JOIN pg_attribute ON attrelid = live.oid, aclexplode(attacl)
      WHERE grantee <> live.relowner
      UNION SELECT 5, pg_catalog.format('ALTER TABLE %s SET (%I = %L)', name, option_name, option_value)
      FROM live JOIN new USING (relname), pg_options_to_table(live.reloptions))
    SELECT statement FROM statements ORDER BY place, statement`
  for (const { statement } of statements) yield* sql.unsafe(statement)
  for (const table of tableNames) {
    yield* sql`DROP TABLE ${sql(`${schema}.${table}`)}`
    yield* sql`ALTER TABLE ${sql(`${beside}.${table}`)} SET SCHEMA ${sql(schema)}`
  }
})

const grantee = (sql: SqlClient.SqlClient) =>
  sql.literal("CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END")
