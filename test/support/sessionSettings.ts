import { Effect, type Scope } from "effect"
import { SqlClient } from "effect/sql"
import { randomBytes } from "node:crypto"

/** Adds settings to a database URL. Its sessions have them like defaults of a role or a database. */
export const withSettings = (url: string, settings: Readonly<Record<string, string>>): string => {
  const changed = new URL(url)
  const options = Object.entries(settings).map(([name, value]) => `-c ${name}=${value.replaceAll(/[ \\]/g, "\\$&")}`)
  changed.search = `?options=${encodeURIComponent(options.join(" "))}`
  return changed.href
}

/** Unusual settings for formats of values, isolation levels and plans, all at once. */
export const unusualSettings: Readonly<Record<string, string>> = {
  jit: "on",
  jit_above_cost: "0",
  default_transaction_isolation: "serializable",
  statement_timeout: "60s",
  lock_timeout: "60s",
  idle_in_transaction_session_timeout: "60s",
  array_nulls: "off",
  DateStyle: "German",
  IntervalStyle: "sql_standard",
  // Its offset had seconds until 1972.
  TimeZone: "Africa/Monrovia",
  bytea_output: "escape",
  extra_float_digits: "-15",
  standard_conforming_strings: "off",
  escape_string_warning: "off",
  backslash_quote: "off",
  row_security: "off",
  work_mem: "64kB",
  synchronous_commit: "off",
  transform_null_equals: "on",
  xmloption: "document"
}

const tables =
  "access_tokens cards checkpoints counts dependencies events graph_lock head migrations parked_events rebuild_lock receipts".split(
    " "
  )

/** Functions of `pg_catalog` with polymorphic parameters. A function with a specific type takes precedence. */
const polymorphic = ["unnest", "array_agg", "jsonb_agg", "jsonb_object_agg", "pg_column_size", "count", "cardinality"]

/** Functions with the same signatures as in `pg_catalog`. */
const declared = [
  "now() RETURNS timestamptz",
  "clock_timestamp() RETURNS timestamptz",
  "sha256(bytea) RETURNS bytea",
  "pg_notify(text, text) RETURNS void",
  "set_config(text, text, boolean) RETURNS text",
  "current_setting(text) RETURNS text",
  "string_to_array(text, text, text) RETURNS text[]",
  "date_trunc(text, timestamptz) RETURNS timestamptz",
  "to_char(timestamp, text) RETURNS text",
  "convert_to(text, name) RETURNS bytea",
  "has_table_privilege(oid, text) RETURNS boolean",
  "num_nulls(VARIADIC text[]) RETURNS int4",
  "jsonb_build_object(text, text, text, text) RETURNS jsonb",
  "format(text, text) RETURNS text",
  "format(text, text, text) RETURNS text",
  "texteq(text, text) RETURNS boolean"
]

/**
 * The statement that creates a schema with tables of the names of a backlog's tables, and with failing functions and an
 * operator of the names of those in `pg_catalog`.
 */
export const createShadows = (name: string): string => {
  const functions = [
    ...polymorphic.flatMap((own) =>
      ["text", "text[]", "bool[]", "int4[]", "int8[]", "jsonb"].map((type) => `${own}(${type}) RETURNS text`)
    ),
    ...declared
  ]
  const statements = [
    `CREATE SCHEMA ${name}`,
    ...tables.map((table) => `CREATE TABLE ${name}.${table} (shadow text)`),
    ...functions.map(
      (own) => `CREATE FUNCTION ${name}.${own} LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''a shadow was called''; END'`
    ),
    `CREATE OPERATOR ${name}.= (FUNCTION = ${name}.texteq, LEFTARG = text, RIGHTARG = text)`
  ]
  return `DO $do$ BEGIN ${statements.map((one) => `EXECUTE $one$${one}$one$;`).join(" ")} END $do$`
}

/** A schema of `createShadows` with a unique name. Dropped when the scope ends. */
export const shadowingSchema: Effect.Effect<string, never, SqlClient.SqlClient | Scope.Scope> = Effect.gen(
  function* () {
    const sql = yield* SqlClient.SqlClient
    const name = `shadow_${randomBytes(6).toString("hex")}`
    return yield* Effect.acquireRelease(Effect.as(Effect.orDie(sql.unsafe(createShadows(name))), name), () =>
      Effect.orDie(sql.unsafe(`DROP SCHEMA ${name} CASCADE`))
    )
  }
)
