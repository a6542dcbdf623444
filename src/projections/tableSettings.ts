import { Effect } from "effect"
import type { SqlClient } from "effect/sql"

interface Statement {
  readonly statement: string
}

const run = (sql: SqlClient.SqlClient, statements: ReadonlyArray<Statement>) =>
  Effect.forEach(statements, ({ statement }) => sql.unsafe(statement), { discard: true })

/**
 * Gives empty shadow tables and their indexes the tablespace and the persistence of the live tables. While a table is empty
 * this costs nothing.
 */
export const placeTables = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  schema: string,
  shadow: string,
  tableNames: ReadonlyArray<string>
) {
  const statements = yield* sql<Statement>`
    WITH live AS (
      SELECT oid, relname, relpersistence FROM pg_class
      WHERE relnamespace = ${schema}::regnamespace AND relname IN ${sql.in(tableNames)})
    SELECT pg_catalog.format('ALTER TABLE %I.%I SET UNLOGGED', ${shadow}::text, relname) AS statement
    FROM live WHERE relpersistence = 'u'
    UNION ALL SELECT pg_catalog.format('ALTER %s %I.%I SET TABLESPACE %I',
      CASE pg_class.relkind WHEN 'i' THEN 'INDEX' ELSE 'TABLE' END, ${shadow}::text, pg_class.relname, spcname)
    FROM live JOIN pg_class ON pg_class.oid = live.oid
      OR pg_class.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = live.oid)
      JOIN pg_tablespace ON pg_tablespace.oid = reltablespace`
  yield* run(sql, statements)
})

/**
 * Gives the shadow tables what was set on the live tables: storage parameters, the options, storage and compression of
 * columns, the options of indexes, the replica identity, row level security, the index of CLUSTER, and comments. Comments on
 * triggers follow with the triggers.
 */
export const copySettings = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  schema: string,
  shadow: string,
  tableNames: ReadonlyArray<string>
) {
  const statements = yield* sql<Statement>`
    WITH tables AS (
      SELECT relname, live.oid AS live, new.oid AS new, pg_catalog.format('%I.%I', ${shadow}::text, relname) AS name,
        live.reloptions, new.reloptions AS made, live.relreplident, new.relreplident AS made_replident,
        live.relrowsecurity, live.relforcerowsecurity, live.reltoastrelid
      FROM pg_class AS live JOIN pg_class AS new USING (relname)
      WHERE live.relnamespace = ${schema}::regnamespace AND new.relnamespace = ${shadow}::regnamespace
        AND relname IN ${sql.in(tableNames)}),
    indexes AS (
      SELECT tables.name AS table_name, old.relname, old.oid AS live, made.oid AS new, old.reloptions,
        pg_catalog.format('%I.%I', ${shadow}::text, old.relname) AS name, indisclustered, indisreplident
      FROM tables JOIN pg_index ON indrelid = tables.live JOIN pg_class AS old ON old.oid = indexrelid
        JOIN pg_class AS made ON made.relname = old.relname AND made.relnamespace = ${shadow}::regnamespace),
    columns AS (
      SELECT name, old.attname, old.attoptions, old.attstorage, made.attstorage AS made_storage, old.attcompression,
        made.attcompression AS made_compression
      FROM tables JOIN pg_attribute AS old ON old.attrelid = live
        JOIN pg_attribute AS made ON made.attrelid = new AND made.attname = old.attname
      WHERE old.attnum > 0 AND NOT old.attisdropped),
    -- Everything that can have a comment, with its oids and how COMMENT names it.
    commented (class, live, new, column_number, made_number, what) AS (
      SELECT 'pg_class'::regclass, live, new, 0, 0, 'TABLE ' || name FROM tables
      UNION ALL SELECT 'pg_class'::regclass, live, new, old.attnum, made.attnum,
        pg_catalog.format('COLUMN %s.%I', name, old.attname)
      FROM tables JOIN pg_attribute AS old ON old.attrelid = live
        JOIN pg_attribute AS made ON made.attrelid = new AND made.attname = old.attname
      WHERE old.attnum > 0 AND NOT old.attisdropped
      UNION ALL SELECT 'pg_class'::regclass, live, new, 0, 0, 'INDEX ' || name FROM indexes
      UNION ALL SELECT 'pg_constraint'::regclass, old.oid, made.oid, 0, 0,
        pg_catalog.format('CONSTRAINT %I ON %s', old.conname, name)
      FROM tables JOIN pg_constraint AS old ON old.conrelid = live
        JOIN pg_constraint AS made ON made.conrelid = new AND made.conname = old.conname),
    statements (place, statement) AS (
      SELECT 1, pg_catalog.format('ALTER TABLE %s RESET (%I)', name, option_name)
      FROM tables, pg_options_to_table(made)
      WHERE option_name NOT IN (SELECT option_name FROM pg_options_to_table(reloptions))
      UNION ALL SELECT 1, pg_catalog.format('ALTER TABLE %s SET (%I = %L)', name, option_name, option_value)
      FROM tables, pg_options_to_table(reloptions)
      UNION ALL SELECT 1, pg_catalog.format('ALTER TABLE %s SET (toast.%I = %L)', name, option_name, option_value)
      FROM tables JOIN pg_class AS toast ON toast.oid = tables.reltoastrelid, pg_options_to_table(toast.reloptions)
      UNION ALL SELECT 2, pg_catalog.format('ALTER INDEX %s SET (%I = %L)', name, option_name, option_value)
      FROM indexes, pg_options_to_table(reloptions)
      UNION ALL SELECT 3, pg_catalog.format('ALTER TABLE %s ALTER COLUMN %I SET (%I = %L)', name, attname, option_name,
        option_value)
      FROM columns, pg_options_to_table(attoptions)
      -- The server sets this itself, from 15.20 on, and ignores another value.
      WHERE option_name <> 'pg_attver'
      UNION ALL SELECT 3, pg_catalog.format('ALTER TABLE %s ALTER COLUMN %I SET STORAGE %s', name, attname,
        CASE attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END)
      FROM columns WHERE attstorage <> made_storage
      UNION ALL SELECT 3, pg_catalog.format('ALTER TABLE %s ALTER COLUMN %I SET COMPRESSION %s', name, attname,
        CASE attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' ELSE 'default' END)
      FROM columns WHERE attcompression <> made_compression
      UNION ALL SELECT 4, pg_catalog.format('ALTER TABLE %s REPLICA IDENTITY %s', name,
        CASE relreplident WHEN 'f' THEN 'FULL' WHEN 'n' THEN 'NOTHING' ELSE 'DEFAULT' END)
      FROM tables WHERE relreplident <> 'i' AND relreplident <> made_replident
      UNION ALL SELECT 4, pg_catalog.format('ALTER TABLE %s REPLICA IDENTITY USING INDEX %I', table_name, relname)
      FROM indexes WHERE indisreplident
      UNION ALL SELECT 4, pg_catalog.format('ALTER TABLE %s CLUSTER ON %I', table_name, relname)
      FROM indexes WHERE indisclustered
      UNION ALL SELECT 4, pg_catalog.format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', name)
      FROM tables WHERE relrowsecurity
      UNION ALL SELECT 4, pg_catalog.format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', name)
      FROM tables WHERE relforcerowsecurity
      UNION ALL SELECT 5, pg_catalog.format('COMMENT ON %s IS %s', what, quote_nullable(old.description))
      FROM commented
        LEFT JOIN pg_description AS old
          ON old.classoid = class AND old.objoid = live AND old.objsubid = column_number
        LEFT JOIN pg_description AS made
          ON made.classoid = class AND made.objoid = new AND made.objsubid = made_number
      WHERE old.description IS DISTINCT FROM made.description)
    SELECT statement FROM statements ORDER BY place, statement`
  yield* run(sql, statements)
})

/**
 * What was changed on the columns of the live tables, and what was set on the tables, that `copySettings` does not give to the
 * shadow tables: types, collations, NOT NULL, defaults, security labels.
 */
export const findChangedSettings = (
  sql: SqlClient.SqlClient,
  schema: string,
  shadow: string,
  tableNames: ReadonlyArray<string>
) =>
  Effect.map(
    sql<{ readonly changed: string }>`
      WITH tables AS (
        SELECT relname, live.oid AS live, new.oid AS new FROM pg_class AS live JOIN pg_class AS new USING (relname)
        WHERE live.relnamespace = ${schema}::regnamespace AND new.relnamespace = ${shadow}::regnamespace
          AND relname IN ${sql.in(tableNames)}),
      described AS (
        SELECT relname, attname, is_live, format_type(atttypid, atttypmod) AS type,
          attcollation::regcollation::text AS collation, attnotnull, pg_get_expr(adbin, adrelid) AS value
        FROM tables CROSS JOIN LATERAL (VALUES (live, true), (new, false)) AS sides (relation, is_live)
          JOIN pg_attribute ON attrelid = relation LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE attnum > 0 AND NOT attisdropped)
      SELECT setting || ' of column ' || live.attname || ' of ' || live.relname AS changed
      FROM described AS live JOIN described AS made USING (relname, attname) CROSS JOIN LATERAL (VALUES
        (live.type <> made.type, 'type ' || live.type),
        (live.collation IS DISTINCT FROM made.collation AND live.type = made.type, 'collation ' || live.collation),
        (live.attnotnull AND NOT made.attnotnull, 'NOT NULL'),
        (live.value <> made.value, 'default ' || live.value))
        AS settings (is_changed, setting)
      WHERE live.is_live AND NOT made.is_live AND is_changed
      UNION SELECT 'security label by ' || provider || ' on ' || relname
      FROM tables JOIN pg_seclabel ON classoid = 'pg_class'::regclass AND objoid = live
      ORDER BY changed`,
    (rows) => rows.map(({ changed }) => changed)
  )
