import { Cause, Context, Duration, Effect, Option, Queue, type Scope } from "effect"
import type { SqlError } from "effect/sql"
import type { CommitListener } from "../../events/CommitListener.ts"
import { sanitizeCause } from "../../sql/sanitize.ts"
import { readOnlySqlState } from "../../sql/databaseErrors.ts"

/*
 * Commit notifications: each commit sends one (`NOTIFY`, in the transaction of its events), and processes that wait for
 * events or for claimable cards listen. A notification can be lost: the connection breaks, a pooler drops it, a standby has
 * none. Nothing depends on it. Waiters also poll at `PollInterval`, and read the database each time, so that a lost
 * notification delays them by one interval at most.
 */

/**
 * How often those that wait for events or claimable cards poll the database, in case a commit notification is lost. Defaults
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
 * Listens for commits to a schema, for as long as somebody waits. A subscription that fails is made again after a delay, and
 * each new one rings at once, since commits before it were not heard.
 */
export const listenForCommits = (schema: string, subscribe: Subscribe): typeof CommitListener.Service => ({
  listen: (ring) =>
    Effect.gen(function* () {
      const notifications = yield* subscribe
      yield* ring
      for (;;) {
        const { payload } = yield* Queue.take(notifications)
        if (payload === schema) yield* ring
      }
    }).pipe(
      Effect.scoped,
      Effect.as(retryDelay),
      Effect.catchCause((cause) =>
        Effect.as(
          Effect.logDebug("Listening for commits is tried again.", sanitizeCause(cause)),
          isOfStandby(cause) ? standbyRetryDelay : retryDelay
        )
      ),
      Effect.flatMap((delay) => Effect.sleep(delay)),
      Effect.forever,
      Effect.forkScoped,
      Effect.asVoid
    )
})

/** `LISTEN` counts as a write. */
const isOfStandby = (cause: Cause.Cause<SqlError.SqlError>): boolean =>
  Option.exists(Cause.findErrorOption(cause), ({ reason }) => {
    const { cause: of } = reason
    return typeof of === "object" && of !== null && "code" in of && of.code === readOnlySqlState
  })
