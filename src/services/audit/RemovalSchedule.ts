import { Context, Duration } from "effect"

/** When a process removes erased bytes from the data files by itself. */
export interface RemovalTimes {
  /** How long after its start a process checks for the first time whether something is pending. Defaults to 5 seconds. */
  readonly first: Duration.Duration
  /** How long after a redaction of its own. Defaults to 1 second, so that one rewrite is for several redactions. */
  readonly afterRedaction: Duration.Duration
  /** The time between checks, and the first after a try that failed. Defaults to 1 minute. */
  readonly interval: Duration.Duration
  /** The time between tries is doubled with each failure, up to this. Defaults to 1 hour. */
  readonly longest: Duration.Duration
}

/** When this process removes erased bytes from the data files by itself; with `off` only `removeErased` does. */
export const RemovalSchedule: Context.Reference<RemovalTimes | "off"> = Context.Reference<RemovalTimes | "off">(
  "mosaic-backlog/services/RemovalSchedule",
  {
    defaultValue: () => ({
      first: Duration.seconds(5),
      afterRedaction: Duration.seconds(1),
      interval: Duration.minutes(1),
      longest: Duration.hours(1)
    })
  }
)
