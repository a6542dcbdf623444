import type { SqlClient, Statement } from "effect/sql"

/**
 * JSON texts, or nulls, as a text that `fromJsonLines` makes an array of: no JSON text is empty or has a line feed in it, so
 * unlike in an array's literal nothing needs to be escaped, which takes longer than anything else with texts that are full
 * of quotes.
 */
export const jsonLines = (texts: ReadonlyArray<string | null>): string => texts.map((text) => text ?? "").join("\n")

/** The array of text that was written as lines. */
export const fromJsonLines = (sql: SqlClient.SqlClient, lines: Statement.Segment): Statement.Fragment =>
  sql`string_to_array(${lines}, chr(10), '')`
