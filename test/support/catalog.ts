import { Effect } from "effect"
import { tables } from "./backlogs.ts"

/** Everything in the catalog about some tables, without object ids. */
export const catalogOf = Effect.fnUntraced(function* (names: ReadonlyArray<string>) {
  const { schema, sql } = yield* tables
  const those = sql`
    SELECT oid, relname FROM pg_class WHERE relnamespace = ${schema}::regnamespace AND relname IN ${sql.in(names)}`
  const relations = yield* sql`
    SELECT those.relname, relkind, relpersistence, pg_get_userbyid(relowner) AS owner, relrowsecurity, relforcerowsecurity,
      relreplident, (SELECT array_agg(option ORDER BY option) FROM unnest(reloptions) AS option)::text AS reloptions,
      (SELECT array_agg(item::text ORDER BY item::text) FROM unnest(relacl) AS item)::text AS acl,
      obj_description(those.oid, 'pg_class') AS comment, reltoastrelid <> 0 AS toast,
      (SELECT spcname FROM pg_tablespace WHERE pg_tablespace.oid = reltablespace) AS tablespace
    FROM (${those}) AS those JOIN pg_class USING (oid) ORDER BY those.relname`
  const columns = yield* sql`
    SELECT relname, attnum, attname, format_type(atttypid, atttypmod) AS type, attnotnull,
      attcollation::regcollation::text AS collation, coalesce(attstattarget, -1)::int4 AS statistics, attstorage,
      attcompression, (SELECT array_agg(option ORDER BY option) FROM unnest(attoptions) AS option
        WHERE option NOT LIKE 'pg_attver=%')::text AS attoptions,
      (SELECT array_agg(item::text ORDER BY item::text) FROM unnest(attacl) AS item)::text AS acl,
      col_description(attrelid, attnum) AS comment
    FROM (${those}) AS those JOIN pg_attribute ON attrelid = those.oid
    WHERE attnum > 0 AND NOT attisdropped ORDER BY relname, attnum`
  const indexes = yield* sql`
    SELECT those.relname, pg_get_indexdef(indexrelid) AS definition, indisunique, indisprimary, indisvalid,
      indisclustered, indisreplident,
      obj_description(indexrelid, 'pg_class') AS comment,
      (SELECT spcname FROM pg_class JOIN pg_tablespace ON pg_tablespace.oid = reltablespace
        WHERE pg_class.oid = indexrelid) AS tablespace
    FROM (${those}) AS those JOIN pg_index ON indrelid = those.oid ORDER BY definition`
  const constraints = yield* sql`
    SELECT relname, conname, contype, convalidated, pg_get_constraintdef(pg_constraint.oid) AS definition,
      obj_description(pg_constraint.oid, 'pg_constraint') AS comment
    FROM (${those}) AS those JOIN pg_constraint ON conrelid = those.oid ORDER BY relname, conname`
  const triggers = yield* sql`
    SELECT relname, pg_get_triggerdef(pg_trigger.oid) AS definition, tgenabled,
      obj_description(pg_trigger.oid, 'pg_trigger') AS comment
    FROM (${those}) AS those JOIN pg_trigger ON tgrelid = those.oid WHERE NOT tgisinternal ORDER BY definition`
  return JSON.parse(JSON.stringify({ relations, columns, indexes, constraints, triggers })) as Readonly<
    Record<"relations" | "columns" | "indexes" | "constraints" | "triggers", ReadonlyArray<unknown>>
  >
})

/** Everything in the catalog about the tables of the read model. */
export const readModelCatalog = Effect.suspend(() => catalogOf(["cards", "dependencies"]))

/** The object ids of the tables, which a swap changes. */
export const tableNumbers = Effect.gen(function* () {
  const { schema, sql } = yield* tables
  return Array.from(
    yield* sql<{ readonly oid: string }>`
      SELECT oid::text AS oid FROM pg_class WHERE relnamespace = ${schema}::regnamespace
        AND relname IN ('cards', 'dependencies') ORDER BY relname`,
    ({ oid }) => oid
  )
})

/** The temporary schemas that rebuilds of this backlog left behind. */
export const findShadowSchemas = Effect.gen(function* () {
  const { schema, sql } = yield* tables
  return Array.from(
    yield* sql<{ readonly name: string }>`
      SELECT nspname AS name FROM pg_namespace WHERE nspname = 'mosaic_rebuild_' || ${schema}::regnamespace::oid::text`,
    ({ name }) => name
  )
})
