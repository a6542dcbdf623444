import type { SqlClient, Statement } from "effect/sql"

/**
 * JSON texts, or nulls, as a text that `fromJsonLines` makes an array of: no JSON text is empty or has a line feed in it, so
 * unlike in an array's literal nothing needs to be escaped, which takes longer than anything else with texts that are full
 * of quotes.
 */
export const toJsonLines = (texts: ReadonlyArray<string | null>): string => texts.map((text) => text ?? "").join("\n")

/** The array of text that was written as lines. */
export const fromJsonLines = (sql: SqlClient.SqlClient, lines: Statement.Segment): Statement.Fragment =>
  sql`string_to_array(${lines}, chr(10), '')`

/** A value of a Postgres array. */
type Element = string | number | bigint | boolean | Date | Uint8Array

/**
 * A Postgres array as text, to be cast to the array's type: `${arrayLiteral(ids)}::text[]`. Unlike a parameter whose type
 * is guessed from its values it says nothing wrong about arrays that are empty or hold only nulls.
 * Syntax: https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
 */
export const arrayLiteral = (values: Iterable<Element>): string => literalOf(values)

/**
 * The same, of values that may be null. With `array_nulls = off` the server reads a null as the text "NULL", so the
 * statement may only follow one that has called `enableArrayNulls` in the same transaction.
 */
export const nullableArrayLiteral = (values: Iterable<Element | null>): string => literalOf(values)

/** An expression that makes nulls in arrays nulls until the transaction ends, whatever the role's or database's setting. */
export const enableArrayNulls = (sql: SqlClient.SqlClient): Statement.Fragment =>
  sql.literal("pg_catalog.set_config('array_nulls', 'on', true)")

const literalOf = (values: Iterable<Element | null>): string => {
  let literal = "{"
  let separator = ""
  let last: Element | null | undefined
  let lastLiteral = ""
  for (const value of values) {
    // Most columns of a batch have the same time, or nothing, in all of their rows.
    if (value !== last) {
      lastLiteral = value instanceof Date && isSameTime(last, value) ? lastLiteral : elementLiteral(value)
      last = value
    }
    literal += separator + lastLiteral
    separator = ","
  }
  return `${literal}}`
}

const isSameTime = (left: Element | null | undefined, right: Date): boolean =>
  left instanceof Date && left.getTime() === right.getTime()

const elementLiteral = (value: Element | null): string => {
  if (value === null) return "NULL"
  if (typeof value === "string") return `"${/["\\]/.test(value) ? value.replaceAll(/["\\]/g, "\\$&") : value}"`
  if (value instanceof Date) return `"${value.toISOString()}"`
  if (value instanceof Uint8Array) return `"\\\\x${Buffer.from(value).toString("hex")}"`
  return String(value)
}
