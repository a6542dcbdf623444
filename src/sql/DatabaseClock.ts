import { Context } from "effect"
import { type SqlClient, Statement } from "effect/sql"

/**
 * A column's time as text, as SQL: as the log writes times, ISO-8601 in UTC with milliseconds, for every time that is
 * a whole number of them in the years 1 to 9999. Any other, which somebody else must have written, looks different.
 */
export const isoTimeSql = (column: string): string => {
  const utc = `${column} AT TIME ZONE 'UTC'`
  return `CASE WHEN NOT (isfinite(${column}) AND extract(year FROM ${utc}) BETWEEN 1 AND 9999) THEN ${column}::text
    WHEN ${column} = date_trunc('milliseconds', ${column}) THEN to_char(${utc}, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
    ELSE to_char(${utc}, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') END`
}

interface DatabaseClockOverride {
  /** The time to use instead of the database server's, `null` for the server's own. */
  readonly override: () => Date | null
}

/**
 * The one clock that leases and recording times use: the database server's, unless a test sets another. Times of
 * workers' machines never decide anything.
 */
export const DatabaseClock: Context.Reference<DatabaseClockOverride> = Context.Reference<DatabaseClockOverride>(
  "mosaic-backlog/DatabaseClock",
  { defaultValue: () => ({ override: () => null }) }
)

/** The database's time in a statement, to the millisecond, or the one that a test has set. */
export const databaseNow = (sql: SqlClient.SqlClient, override: () => Date | null): Statement.Fragment =>
  databaseTime(sql, Statement.parameter(override()))

/** The same in a statement of which `override` is a value. */
export const databaseTime = (sql: SqlClient.SqlClient, override: Statement.Segment): Statement.Fragment =>
  sql`coalesce(${override}::timestamptz, date_trunc('milliseconds', clock_timestamp()))`
