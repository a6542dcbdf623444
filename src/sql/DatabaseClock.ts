import { Context } from "effect"
import { type SqlClient, Statement } from "effect/sql"

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
