import type { SqlClient, Statement } from "effect/sql"

/** A value of a Postgres array. */
type Element = string | number | bigint | boolean | Date | Uint8Array

/**
 * Formats a Postgres array as text, to be cast to the array's type: `${arrayLiteral(ids)}::text[]`. The client would guess
 * the type of an array parameter from its values, which fails for arrays that are empty or contain only nulls.
 * Syntax: https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
 */
export const arrayLiteral = (values: Iterable<Element>): string => formatArray(values)

/**
 * Formats an array whose values may be null. With `array_nulls = off` the server reads a null as the text "NULL", so an
 * earlier statement of the same transaction must have used `enableArrayNulls`.
 */
export const nullableArrayLiteral = (values: Iterable<Element | null>): string => formatArray(values)

/** An expression that sets `array_nulls = on` until the transaction ends, whatever the role's or database's setting. */
export const enableArrayNulls = (sql: SqlClient.SqlClient): Statement.Fragment =>
  sql.literal("pg_catalog.set_config('array_nulls', 'on', true)")

const formatArray = (values: Iterable<Element | null>): string => {
  let literal = "{"
  let separator = ""
  let last: Element | null | undefined
  let lastLiteral = ""
  for (const value of values) {
    // In most columns of a batch all rows have the same time, or null.
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

/**
 * Formats JSON texts and nulls as lines, which `fromJsonLines` splits into an array. No JSON text is empty or contains a line
 * feed, so nothing has to be escaped; escaping the many quotes of JSON in an array literal would take most of the time.
 */
export const toJsonLines = (texts: ReadonlyArray<string | null>): string => texts.map((text) => text ?? "").join("\n")

/** An expression for the array that `toJsonLines` formatted. */
export const fromJsonLines = (sql: SqlClient.SqlClient, lines: Statement.Segment): Statement.Fragment =>
  sql`string_to_array(${lines}, chr(10), '')`
