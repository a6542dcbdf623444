import { Effect } from "effect"
import type { SqlClient } from "effect/sql"
import { copySettings, findChangedSettings } from "./tableSettings.ts"
import { arrayLiteral } from "../sql/arrayLiteral.ts"

/** The trigger that records the changes of a table while a removal copies it. */
export const captureTrigger = "mosaic_backlog_capture"

/**
 * Additions to the live tables that the shadow tables do not have and that a swap does not keep, and objects that depend on the
 * tables: columns and changes of columns, indexes, constraints, triggers, policies, views, functions, publications.
 */
export const findAddedObjects = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  live: string,
  shadow: string,
  tableNames: ReadonlyArray<string>
) {
  const rows = yield* sql<{ readonly added: string }>`
      WITH tables AS (
        SELECT oid, relname, reltype, nspname FROM pg_class JOIN (
          SELECT oid AS nspoid, nspname FROM pg_namespace WHERE nspname IN (${live}, ${shadow})) AS schemas
          ON relnamespace = nspoid
        WHERE relkind = 'r' AND relname IN ${sql.in(tableNames)}),
      objects AS (
        SELECT nspname, type || ' ' || replace(identity, quote_ident(nspname) || '.', '') AS object
        FROM tables JOIN pg_depend ON refclassid = 'pg_class'::regclass AND refobjid = tables.oid
          CROSS JOIN LATERAL pg_identify_object(classid, objid, 0)
          LEFT JOIN pg_constraint ON classid = 'pg_constraint'::regclass AND pg_constraint.oid = objid
          LEFT JOIN pg_trigger ON classid = 'pg_trigger'::regclass AND pg_trigger.oid = objid
        WHERE type NOT IN ('toast table', 'composite type') AND contype IS DISTINCT FROM 'n'
          AND tgname IS DISTINCT FROM ${captureTrigger}
        -- What has the type of a row, such as a function that takes one.
        UNION SELECT nspname, type || ' ' || replace(identity, quote_ident(nspname) || '.', '')
        FROM tables JOIN pg_type ON pg_type.oid = reltype
          CROSS JOIN LATERAL (VALUES (reltype), (typarray)) AS types (row_type)
          JOIN pg_depend ON refclassid = 'pg_type'::regclass AND refobjid = row_type AND deptype <> 'i'
          CROSS JOIN LATERAL pg_identify_object(classid, objid, objsubid)
        UNION SELECT nspname, 'column ' || attname || ' of ' || relname
        FROM tables JOIN pg_attribute ON attrelid = tables.oid WHERE attnum > 0 AND NOT attisdropped)
      SELECT object AS added FROM objects WHERE nspname = ${live}
      EXCEPT SELECT object FROM objects WHERE nspname = ${shadow} ORDER BY added`
  return [...rows.map(({ added }) => added), ...(yield* findChangedSettings(sql, live, shadow, tableNames))]
})

/**
 * Replaces the live tables with the shadow tables, which get the same owner, grants, triggers, statistics targets and
 * settings (`copySettings`). Columns in `kept` keep the statistics targets of the shadow tables.
 */
export const swapTables = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  schema: string,
  shadow: string,
  tableNames: ReadonlyArray<string>,
  kept: ReadonlyArray<string> = []
) {
  const run = (statements: ReadonlyArray<{ readonly statement: string }>) =>
    Effect.forEach(statements, ({ statement }) => sql.unsafe(statement), { discard: true })
  // The triggers of the shadow tables call functions in the shadow schema, which is dropped.
  const triggers = yield* sql<{ readonly statement: string }>`
    WITH live AS (
      SELECT tgname, pg_get_triggerdef(pg_trigger.oid) AS definition, tgrelid::regclass::text AS name, tgenabled,
        obj_description(pg_trigger.oid, 'pg_trigger') AS comment
      FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
      WHERE relnamespace = ${schema}::regnamespace AND relname IN ${sql.in(tableNames)}
        AND NOT tgisinternal AND tgname <> ${captureTrigger})
    SELECT statement FROM (
      SELECT 1 AS place, tgname, definition AS statement FROM live
      UNION ALL SELECT 2, tgname, pg_catalog.format('ALTER TABLE %s %s TRIGGER %I', name,
        CASE tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END, tgname)
      FROM live WHERE tgenabled <> 'O'
      UNION ALL SELECT 3, tgname, pg_catalog.format('COMMENT ON TRIGGER %I ON %s IS %L', tgname, name, comment)
      FROM live WHERE comment IS NOT NULL) AS statements
    ORDER BY place, tgname`
  const statements = yield* sql<{ readonly statement: string }>`
    WITH live AS (
      SELECT relname, oid, relowner, relacl, pg_get_userbyid(relowner) AS owner FROM pg_class
      WHERE relnamespace = ${schema}::regnamespace AND relname IN ${sql.in(tableNames)}),
    new AS (
      SELECT pg_class.oid, pg_catalog.format('%I.%I', ${shadow}::text, pg_class.relname) AS name, pg_class.relname,
        pg_class.relowner, pg_class.relacl
      FROM pg_class JOIN live ON live.relname = pg_class.relname WHERE relnamespace = ${shadow}::regnamespace),
    -- Grants by default privileges are revoked before the grants of the live table are given.
    statements (place, statement) AS (
      SELECT 1, pg_catalog.format('GRANT CREATE ON SCHEMA %I TO %I', ${shadow}::text, owner)
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
      UNION SELECT 5, pg_catalog.format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS %s', name, old.attname,
        coalesce(old.attstattarget, -1))
      FROM live JOIN new USING (relname) JOIN pg_attribute AS old ON old.attrelid = live.oid
        JOIN pg_attribute AS made ON made.attrelid = new.oid AND made.attname = old.attname
      WHERE old.attnum > 0 AND coalesce(old.attstattarget, -1) <> coalesce(made.attstattarget, -1)
        AND NOT concat(live.relname, '.', old.attname) = ANY(${arrayLiteral(kept)}::text[])
      UNION SELECT 6, pg_catalog.format('DROP TRIGGER %I ON %s', tgname, name)
      FROM new JOIN pg_trigger ON tgrelid = new.oid WHERE NOT tgisinternal)
    SELECT statement FROM statements ORDER BY place, statement`
  yield* run(statements)
  yield* copySettings(sql, schema, shadow, tableNames)
  for (const table of tableNames) {
    yield* sql`DROP TABLE ${sql(`${schema}.${table}`)}`
    yield* sql`ALTER TABLE ${sql(`${shadow}.${table}`)} SET SCHEMA ${sql(schema)}`
  }
  yield* run(triggers)
})

const grantee = (sql: SqlClient.SqlClient) =>
  sql.literal("CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END")
