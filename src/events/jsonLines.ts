import type { SqlClient, Statement } from "effect/sql"

/**
 * JSON texts, or nulls, as an array of text: no JSON text is empty or has a line feed in it, so unlike in an array's
 * literal nothing needs to be escaped, which takes longer than anything else with texts that are full of quotes.
 */
export const jsonLines = (sql: SqlClient.SqlClient, texts: ReadonlyArray<string | null>): Statement.Fragment =>
  sql`string_to_array(${texts.map((text) => text ?? "").join("\n")}, chr(10), '')`
