import { Cause, Context, Duration, Effect, Option, Queue, type Scope } from "effect"
import type { SqlError } from "effect/sql"
import type { CommitListener } from "../../events/CommitListener.ts"
import { sanitizeCause } from "../../sql/sanitize.ts"
import { errorCode, readOnlySqlState } from "../../sql/databaseErrors.ts"

/*
 * Every commit notifies the channel `mosaic_backlog`, in the transaction of its events. Processes that wait for events or for
 * claimable cards listen, and read the database when they are notified.
 *
 * When a notification is lost, nothing else is: waiters also read the database once in a `PollInterval`, so they continue
 * after that interval at the latest. Notifications are lost when the connection breaks, behind a pooler in transaction mode,
 * and on a standby.
 */

/**
 * The interval at which waiters for events or claimable cards poll the database, in case a commit notification is lost. Defaults
 * to 1 second.
 */
export const PollInterval: Context.Reference<Duration.Duration> = Context.Reference<Duration.Duration>(
  "mosaic-backlog/PollInterval",
  { defaultValue: () => Duration.seconds(1) }
)

/** How long to wait before listening again when the connection broke. */
const retryDelay = Duration.seconds(1)

/** The same on a hot standby, which has no notifications until it becomes a primary. */
const standbyRetryDelay = Duration.seconds(15)

/** Subscribes to the notifications of a channel for as long as the scope is open. */
export type Subscribe = Effect.Effect<
  Queue.Dequeue<{ readonly payload: string }, SqlError.SqlError>,
  SqlError.SqlError,
  Scope.Scope
>

/**
 * Listens for commits to a schema until the scope is closed. It subscribes again after a failure, and reports a commit after
 * each subscription, because earlier notifications were missed.
 */
export const listenForCommits = (schema: string, subscribe: Subscribe): typeof CommitListener.Service => ({
  listen: (onCommit) =>
    Effect.gen(function* () {
      const notifications = yield* subscribe
      yield* onCommit
      for (;;) {
        const { payload } = yield* Queue.take(notifications)
        if (payload === schema) yield* onCommit
      }
    }).pipe(
      Effect.scoped,
      Effect.as(retryDelay),
      Effect.catchCause((cause) =>
        Effect.as(
          Effect.logDebug("Listening for commits failed and will be retried.", sanitizeCause(cause)),
          isOfStandby(cause) ? standbyRetryDelay : retryDelay
        )
      ),
      Effect.flatMap((delay) => Effect.sleep(delay)),
      Effect.forever,
      Effect.forkScoped,
      Effect.asVoid
    )
})

/** A standby refuses `LISTEN` as a write. */
const isOfStandby = (cause: Cause.Cause<SqlError.SqlError>): boolean =>
  Option.exists(Cause.findErrorOption(cause), ({ reason }) => errorCode(reason.cause) === readOnlySqlState)
