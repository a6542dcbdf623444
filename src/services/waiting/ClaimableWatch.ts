import {
  Array as Arr,
  Cause,
  Clock,
  Context,
  Deferred,
  Duration,
  Effect,
  Layer,
  Option,
  PubSub,
  Queue,
  RcRef
} from "effect"
import type { SqlError } from "effect/sql"
import type { ClaimFilter } from "../../domain/Command.ts"
import { EventLog } from "../../events/EventLog.ts"
import { ReadGate } from "../../events/ReadGate.ts"
import { PollInterval } from "./CommitNotifications.ts"
import type { ClaimDemand } from "../../projections/claimOutlookQueries.ts"
import { ReadModel } from "../../projections/ReadModel.ts"

/** Minimum time between two checks, in milliseconds, however many commits there are. */
const minCheckIntervalMillis = 10

/** How long to keep listening for commits after the last waiter left: a worker that claims and waits alternately returns soon. */
const idleTimeout = "10 seconds"

/** A caller of `wait`. */
interface Waiter {
  readonly filter: ClaimFilter
  readonly woken: Deferred.Deferred<void, SqlError.SqlError>
}

/**
 * Waits for claimable cards, for all waiters of a process. One fiber checks the database for all of them: after a commit in
 * this or another process, when a lease expires, when a retry time comes, and at `PollInterval`. It wakes as many waiters as
 * there are cards, the longest waiting first, so that one card does not wake a thousand workers. Only the listener occupies a
 * connection.
 */
export class ClaimableWatch extends Context.Service<
  ClaimableWatch,
  {
    /** Waits until a card is claimable, for at most this many seconds. Returns whether one is; with 0 it checks once. */
    readonly wait: (filter: ClaimFilter, seconds: number) => Effect.Effect<boolean, SqlError.SqlError>
  }
>()("mosaic-backlog/services/ClaimableWatch") {
  static readonly layer: Layer.Layer<ClaimableWatch, never, EventLog | ReadGate | ReadModel> = Layer.effect(
    ClaimableWatch,
    Effect.gen(function* () {
      const log = yield* EventLog
      const readModel = yield* ReadModel
      const gate = yield* ReadGate
      const pollInterval = yield* PollInterval
      // In the order in which they arrived.
      const waiters = new Set<Waiter>()
      /** A commit, or a new waiter. */
      const changes = yield* Queue.sliding<void>(1)

      const countClaimable = gate.read("BacklogService.awaitClaimable", (wanted: ReadonlyArray<ClaimDemand>) =>
        readModel.countClaimable(wanted)
      )

      const failAll = (cause: Cause.Cause<SqlError.SqlError>) =>
        Effect.sync(() => {
          for (const { woken } of waiters) Deferred.doneUnsafe(woken, Effect.failCause(cause))
          waiters.clear()
        })

      /** Wakes the waiters for which there are cards, and returns how long the others may wait without a change. */
      const check = Effect.gen(function* () {
        const groups = groupByFilter(waiters)
        const { counts, soonestSeconds } = yield* countClaimable(groups.map(demandOf))
        for (const [index, group] of groups.entries()) {
          for (const waiter of group.slice(0, counts[index])) {
            waiters.delete(waiter)
            Deferred.doneUnsafe(waiter.woken, Effect.void)
          }
        }
        return soonestSeconds === null
          ? pollInterval
          : Duration.min(pollInterval, Duration.millis(Math.ceil(soonestSeconds * 1000)))
      })

      const watch = Effect.gen(function* () {
        const commits = yield* log.subscribeCommits
        yield* Effect.forkScoped(Effect.forever(Effect.andThen(PubSub.take(commits), Queue.offer(changes, undefined))))
        for (;;) {
          const startedAt = yield* Clock.monotonicTimeNanos
          if (waiters.size > 0) {
            // An error fails all current waiters. Later waiters cause another check.
            const timeout = yield* Effect.catchCause(check, (cause) => Effect.as(failAll(cause), pollInterval))
            yield* Effect.timeoutOption(Queue.take(changes), timeout)
          } else yield* Queue.take(changes)
          const elapsedMillis = Number((yield* Clock.monotonicTimeNanos) - startedAt) / 1e6
          if (elapsedMillis < minCheckIntervalMillis) yield* Effect.sleep(minCheckIntervalMillis - elapsedMillis)
        }
      }).pipe(Effect.onInterrupt(() => failAll(Cause.interrupt())))

      const watcher = yield* RcRef.make({ acquire: Effect.forkScoped(watch), idleTimeToLive: idleTimeout })

      const wait = Effect.fnUntraced(function* (filter: ClaimFilter, seconds: number) {
        if (seconds === 0) return (yield* countClaimable([{ filter, limit: 1 }])).counts[0] !== 0
        yield* RcRef.get(watcher)
        const waiter: Waiter = { filter, woken: Deferred.makeUnsafe() }
        waiters.add(waiter)
        yield* Queue.offer(changes, undefined)
        return yield* Deferred.await(waiter.woken).pipe(
          Effect.timeoutOption(Duration.seconds(seconds)),
          Effect.map(Option.isSome),
          Effect.ensuring(Effect.sync(() => waiters.delete(waiter)))
        )
      }, Effect.scoped)

      return ClaimableWatch.of({ wait })
    })
  )
}

const groupByFilter = (waiters: Iterable<Waiter>): ReadonlyArray<ReadonlyArray<Waiter>> =>
  Object.values(Arr.groupBy(waiters, ({ filter: { minPriority, phase } }) => JSON.stringify([phase, minPriority])))

const demandOf = (group: ReadonlyArray<Waiter>): ClaimDemand => ({
  filter: group[0]?.filter ?? {},
  limit: group.length
})
