import { Context } from "effect"
import { type SqlClient, Statement } from "effect/sql"

interface DatabaseClockOverride {
  /** Returns the time to use instead of the server's, or `null` for the server's time. */
  readonly override: () => Date | null
}

/**
 * The only clock for leases and recording times. Defaults to the clock of the database server; tests provide their own. The
 * clocks of workers' machines are never used.
 */
export const DatabaseClock: Context.Reference<DatabaseClockOverride> = Context.Reference<DatabaseClockOverride>(
  "mosaic-backlog/DatabaseClock",
  { defaultValue: () => ({ override: () => null }) }
)

/** An expression for the time of `DatabaseClock`, in milliseconds. */
export const databaseNow = (sql: SqlClient.SqlClient, override: () => Date | null): Statement.Fragment =>
  databaseTime(sql, Statement.parameter(override()))

/** An expression for the time of `DatabaseClock`, with the override as a parameter of a prepared statement. */
export const databaseTime = (sql: SqlClient.SqlClient, override: Statement.Segment): Statement.Fragment =>
  sql`coalesce(${override}::timestamptz, date_trunc('milliseconds', clock_timestamp()))`

/**
 * SQL that formats a column's time as the log does: ISO-8601 in UTC with milliseconds. A time with microseconds or outside
 * of the years 1 to 9999, which this program never writes, is formatted differently, so that verification finds it.
 */
export const isoTimeSql = (column: string): string => {
  const utc = `${column} AT TIME ZONE 'UTC'`
  return `CASE WHEN NOT (isfinite(${column}) AND extract(year FROM ${utc}) BETWEEN 1 AND 9999) THEN ${column}::text
    WHEN ${column} = date_trunc('milliseconds', ${column}) THEN to_char(${utc}, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
    ELSE to_char(${utc}, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') END`
}
