import { Effect, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { randomBytes } from "node:crypto"
import { inject } from "vitest"
import { inTransaction } from "../../src/sql/inTransaction.ts"
import { BacklogSchema } from "../../src/sql/SchemaName.ts"
import { Migrations } from "../../src/services/schema/Migrations.ts"

/** A migrated schema without cards. */
interface EmptyBacklog {
  readonly schema: string
  /** The catalog's rows about the schema. */
  readonly catalog: string
  /** The rows that the migrations leave in each table, as JSON. */
  readonly rows: ReadonlyMap<string, string>
}

/** The empty backlogs of a client's database that no test uses. */
const free = new WeakMap<SqlClient.SqlClient, Array<EmptyBacklog>>()

const freeOf = (sql: SqlClient.SqlClient): Array<EmptyBacklog> => {
  const known = free.get(sql)
  if (known !== undefined) return known
  const none: Array<EmptyBacklog> = []
  free.set(sql, none)
  return none
}

/**
 * A schema with an empty backlog, which no other test uses at the same time. Migrating one takes longer than most tests, so a
 * test gets one that an earlier test has left, with its rows as the migrations leave them. A schema whose catalog a test has
 * changed is dropped. On a server that outlives the run every schema is dropped.
 */
export const pooledSchema = Effect.map(
  Effect.acquireRelease(
    Effect.flatMap(SqlClient.SqlClient, (sql) =>
      Effect.suspend(() => {
        const found = freeOf(sql).pop()
        return found === undefined ? createEmptyBacklog(sql) : Effect.succeed(found)
      })
    ),
    (backlog) =>
      Effect.flatMap(SqlClient.SqlClient, (sql) =>
        (inject("ownsServer") ? emptyBacklog(sql, backlog) : Effect.succeed(false)).pipe(
          Effect.catchCause(() => Effect.succeed(false)),
          Effect.flatMap((isEmpty) =>
            isEmpty
              ? Effect.sync(() => void freeOf(sql).push(backlog))
              : Effect.orDie(sql`DROP SCHEMA IF EXISTS ${sql(backlog.schema)} CASCADE`)
          )
        )
      )
  ),
  ({ schema }) => schema
)

/** Where the session is so unusual that this fails, the schema is used once, and the test gets the errors of its own layer. */
const createEmptyBacklog = (sql: SqlClient.SqlClient): Effect.Effect<EmptyBacklog> => {
  const schema = `test_${randomBytes(8).toString("hex")}`
  return Effect.catchCause(migrateAndRead(sql, schema), () => Effect.succeed({ schema, catalog: "", rows: new Map() }))
}

const migrateAndRead = (sql: SqlClient.SqlClient, schema: string) =>
  Effect.gen(function* () {
    yield* Effect.scoped(
      Layer.build(
        Layer.fresh(Migrations.layer).pipe(
          Layer.provide(Layer.succeed(SqlClient.SqlClient)(sql)),
          Layer.provide(Layer.succeed(BacklogSchema)(schema))
        )
      )
    )
    const rows = new Map<string, string>()
    for (const table of yield* tablesOf(sql, schema)) {
      const [read] = yield* sql<{ readonly rows: string }>`
        SELECT coalesce(json_agg(row), '[]')::text AS rows FROM ${sql(`${schema}.${table}`)} AS row`
      rows.set(table, read?.rows ?? "[]")
    }
    return { schema, catalog: yield* readCatalog(sql, schema), rows }
  })

/** Empties a backlog. Returns whether it is as the migrations left it. */
const emptyBacklog = (
  sql: SqlClient.SqlClient,
  { catalog, rows, schema }: EmptyBacklog
): Effect.Effect<boolean, SqlError.SqlError> =>
  Effect.gen(function* () {
    if (rows.size === 0 || (yield* readCatalog(sql, schema)) !== catalog) return false
    // Disables the triggers that make the log append-only. A test may have left a session that holds a lock.
    yield* sql`SELECT set_config('session_replication_role', 'replica', true), set_config('lock_timeout', '2s', true)`
    yield* sql`TRUNCATE ${sql.literal(Array.from(rows.keys(), (table) => `${schema}."${table}"`).join())}`
    for (const [table, content] of rows) {
      if (content === "[]") continue
      const name = sql(`${schema}.${table}`)
      yield* sql`INSERT INTO ${name} SELECT * FROM json_populate_recordset(null::${name}, ${content}::json)`
    }
    return true
  }).pipe(inTransaction(sql))

const tablesOf = (sql: SqlClient.SqlClient, schema: string) =>
  Effect.map(
    sql<{ readonly name: string }>`
      SELECT relname AS name FROM pg_class WHERE relnamespace = ${schema}::regnamespace AND relkind = 'r' ORDER BY relname`,
    (tables) => tables.map(({ name }) => name)
  )

/** A digest of everything in the catalog about a schema that a test may change. */
const readCatalog = (sql: SqlClient.SqlClient, schema: string) =>
  Effect.map(
    sql<{ readonly digest: string }>`
      WITH space AS (SELECT * FROM pg_namespace WHERE nspname = ${schema}),
        class AS (SELECT * FROM pg_class WHERE relnamespace = (SELECT oid FROM space))
      SELECT md5(string_agg(line, ',' ORDER BY line)) AS digest FROM (
        SELECT space::text AS line FROM space
        UNION ALL SELECT row(oid, relname, relkind, relowner, relacl, reloptions, relrowsecurity, relforcerowsecurity,
          relreplident, relpersistence, relhastriggers, relhasrules, reltablespace, relam)::text FROM class
        UNION ALL SELECT pg_attribute::text FROM pg_attribute WHERE attrelid IN (SELECT oid FROM class)
        UNION ALL SELECT pg_attrdef::text FROM pg_attrdef WHERE adrelid IN (SELECT oid FROM class)
        UNION ALL SELECT pg_index::text FROM pg_index WHERE indexrelid IN (SELECT oid FROM class)
        UNION ALL SELECT pg_constraint::text FROM pg_constraint WHERE connamespace = (SELECT oid FROM space)
        UNION ALL SELECT pg_trigger::text FROM pg_trigger WHERE tgrelid IN (SELECT oid FROM class)
        UNION ALL SELECT pg_policy::text FROM pg_policy WHERE polrelid IN (SELECT oid FROM class)
        UNION ALL SELECT pg_rewrite::text FROM pg_rewrite WHERE ev_class IN (SELECT oid FROM class)
        UNION ALL SELECT pg_proc::text FROM pg_proc WHERE pronamespace = (SELECT oid FROM space)
        UNION ALL SELECT pg_type::text FROM pg_type WHERE typnamespace = (SELECT oid FROM space)
        UNION ALL SELECT pg_statistic_ext::text FROM pg_statistic_ext WHERE stxnamespace = (SELECT oid FROM space)
        UNION ALL SELECT pg_description::text FROM pg_description WHERE objoid IN (SELECT oid FROM class)
        UNION ALL SELECT pg_seclabel::text FROM pg_seclabel WHERE objoid IN (SELECT oid FROM class)
      ) AS catalog`,
    ([row]) => row?.digest ?? ""
  )
