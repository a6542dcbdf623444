import { Cause, Clock, Deferred, Duration, Effect, Option, PubSub, Queue, RcRef, type Scope } from "effect"
import type { SqlError } from "effect/sql"
import type { EventLog } from "../../events/EventLog.ts"

/** How long to keep listening for commits after the last waiter left: a worker that claims and waits alternately returns soon. */
const idleTimeout = "10 seconds"

/** A caller that waits for something. */
export interface Waiter<Wanted> {
  readonly wanted: Wanted
  readonly woken: Deferred.Deferred<void, SqlError.SqlError>
}

/** Which waiters to wake, and how long the others may wait without a commit. */
interface Checked<Wanted> {
  readonly woken: Iterable<Waiter<Wanted>>
  readonly timeout: Duration.Duration
}

/** How a watch checks. */
interface WatchOptions<Wanted> {
  /** Checks the database for all waiters, in the order in which they arrived. */
  readonly check: (waiters: ReadonlyArray<Waiter<Wanted>>) => Effect.Effect<Checked<Wanted>, SqlError.SqlError>
  /** Minimum time between two checks, in milliseconds, however many commits there are. */
  readonly minCheckIntervalMillis: number
  /** Maximum time between two checks. */
  readonly pollInterval: Duration.Duration
}

/**
 * Makes the wait for something in the database, for all waiters of a process: returns whether a waiter was woken within so
 * many seconds. One fiber checks the database for all of them: after a commit in this or another process, when a waiter
 * arrives, and when the last check says. Only the listener occupies a connection.
 */
export const makeWatch = Effect.fnUntraced(function* <Wanted>(
  log: EventLog["Service"],
  { check, minCheckIntervalMillis, pollInterval }: WatchOptions<Wanted>
): Effect.fn.Return<
  (wanted: Wanted, seconds: number) => Effect.Effect<boolean, SqlError.SqlError>,
  never,
  Scope.Scope
> {
  // In the order in which they arrived.
  const waiters = new Set<Waiter<Wanted>>()
  /** A commit, or a new waiter. */
  const changes = yield* Queue.sliding<void>(1)

  const failAll = (cause: Cause.Cause<SqlError.SqlError>) =>
    Effect.sync(() => {
      for (const { woken } of waiters) Deferred.doneUnsafe(woken, Effect.failCause(cause))
      waiters.clear()
    })

  const wakeSome = Effect.gen(function* () {
    const { timeout, woken } = yield* check([...waiters])
    for (const waiter of woken) {
      waiters.delete(waiter)
      Deferred.doneUnsafe(waiter.woken, Effect.void)
    }
    return timeout
  })

  const watch = Effect.gen(function* () {
    const commits = yield* log.subscribeCommits
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(PubSub.take(commits), Queue.offer(changes, undefined))))
    for (;;) {
      const startedAt = yield* Clock.monotonicTimeNanos
      if (waiters.size > 0) {
        // An error fails all current waiters. Later waiters cause another check.
        const timeout = yield* Effect.catchCause(wakeSome, (cause) => Effect.as(failAll(cause), pollInterval))
        yield* Effect.timeoutOption(Queue.take(changes), timeout)
      } else yield* Queue.take(changes)
      const elapsedMillis = Number((yield* Clock.monotonicTimeNanos) - startedAt) / 1e6
      if (elapsedMillis < minCheckIntervalMillis) yield* Effect.sleep(minCheckIntervalMillis - elapsedMillis)
    }
  }).pipe(Effect.onInterrupt(() => failAll(Cause.interrupt())))

  const watcher = yield* RcRef.make({ acquire: Effect.forkScoped(watch), idleTimeToLive: idleTimeout })

  return Effect.fnUntraced(function* (wanted: Wanted, seconds: number) {
    yield* RcRef.get(watcher)
    const waiter: Waiter<Wanted> = { wanted, woken: Deferred.makeUnsafe() }
    waiters.add(waiter)
    yield* Queue.offer(changes, undefined)
    return yield* Deferred.await(waiter.woken).pipe(
      Effect.timeoutOption(Duration.seconds(seconds)),
      Effect.map(Option.isSome),
      Effect.ensuring(Effect.sync(() => waiters.delete(waiter)))
    )
  }, Effect.scoped)
})
