import { Effect, type Scope } from "effect"
import { SqlClient } from "effect/sql"
import { randomBytes } from "node:crypto"

/** A database's URL whose sessions have these settings, as a role's or a database's defaults would make them. */
export const withSettings = (url: string, settings: Readonly<Record<string, string>>): string => {
  const changed = new URL(url)
  const options = Object.entries(settings).map(([name, value]) => `-c ${name}=${value.replaceAll(/[ \\]/g, "\\$&")}`)
  changed.search = `?options=${encodeURIComponent(options.join(" "))}`
  return changed.href
}

/** Settings that change how a server reads or writes values, isolates transactions, and plans, all at once. */
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
  TimeZone: "Asia/Kathmandu",
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

/** Functions of `pg_catalog` that take values of any type, so that one for a certain type fits better. */
const polymorphic = ["unnest", "array_agg", "jsonb_agg", "jsonb_object_agg", "pg_column_size", "count", "cardinality"]

/** Declared as those of `pg_catalog` are. */
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
 * The statement that makes a schema with tables named as those of a backlog, and functions and an operator that fail, named
 * as those of `pg_catalog`.
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

/** Such a schema with a name of its own, dropped when the scope ends. */
export const shadowingSchema: Effect.Effect<string, never, SqlClient.SqlClient | Scope.Scope> = Effect.gen(
  function* () {
    const sql = yield* SqlClient.SqlClient
    const name = `shadow_${randomBytes(6).toString("hex")}`
    return yield* Effect.acquireRelease(Effect.as(Effect.orDie(sql.unsafe(createShadows(name))), name), () =>
      Effect.orDie(sql.unsafe(`DROP SCHEMA ${name} CASCADE`))
    )
  }
)
