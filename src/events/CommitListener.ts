import { Context, Effect, type Scope } from "effect"

interface CommitListenerShape {
  /** Calls `ring` after commits in other processes, as long as the scope is open. */
  readonly listen: (ring: Effect.Effect<void>) => Effect.Effect<void, never, Scope.Scope>
}

/**
 * Hears of commits in other processes, as far as it can: whoever waits for events also looks for itself from time to
 * time, so that a call that is missed costs time only. None are heard unless a database's layer provides it.
 */
export const CommitListener: Context.Reference<CommitListenerShape> = Context.Reference<CommitListenerShape>(
  "mosaic-backlog/events/CommitListener",
  { defaultValue: () => ({ listen: () => Effect.void }) }
)

/** The Postgres channel on which every commit of a log is announced, with the schema's name. */
export const commitChannel = "mosaic_backlog"
