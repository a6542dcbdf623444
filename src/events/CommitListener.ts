import { Context, Effect, type Scope } from "effect"

interface CommitListenerShape {
  /** Runs `notify` after commits of other processes until the scope closes. */
  readonly listen: (notify: Effect.Effect<void>) => Effect.Effect<void, never, Scope.Scope>
}

/**
 * Listens for commits of other processes. A notification can be lost; subscribers also poll, so a lost one only costs time.
 * Defaults to no notifications; the layer of a database provides them.
 */
export const CommitListener: Context.Reference<CommitListenerShape> = Context.Reference<CommitListenerShape>(
  "mosaic-backlog/events/CommitListener",
  { defaultValue: () => ({ listen: () => Effect.void }) }
)

/** The Postgres channel of commit notifications. The payload is the name of the schema. */
export const commitChannel = "mosaic_backlog"
