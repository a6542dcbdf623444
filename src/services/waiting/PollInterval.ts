import { Context, Duration } from "effect"

/**
 * How often whoever follows events looks for them unasked, 1 second unless another is provided. Commits are also heard
 * of as they happen; this bounds how late an event can come when that news is lost.
 */
export const PollInterval: Context.Reference<Duration.Duration> = Context.Reference<Duration.Duration>(
  "mosaic-backlog/PollInterval",
  { defaultValue: () => Duration.seconds(1) }
)
