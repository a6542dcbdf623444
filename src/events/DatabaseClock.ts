import { Context } from "effect"

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
