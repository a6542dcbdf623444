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
import { PollInterval } from "./CommitNotifications.ts"
import type { ClaimDemand } from "../../projections/claimOutlookQueries.ts"
import { ReadModel } from "../../projections/ReadModel.ts"
import { withPromptAnswer } from "../../sql/AnswerTimeout.ts"

/** Commits may come by the thousand in a second; nobody looks more often than this. */
const shortestPauseMillis = 10

/** How long commits are listened for after the last has stopped waiting: who claims and waits in turn comes back soon. */
const listensOn = "10 seconds"

interface Waiting {
  readonly choice: ClaimFilter
  readonly called: Deferred.Deferred<void, SqlError.SqlError>
}

/**
 * Waits for cards to claim, for all of a process that wait: one of them looks, after a commit here or in another process,
 * when a lease runs out or a retry time has come, and from time to time unasked. Each time it calls as many as there are cards
 * for, those first who have waited longest, so that one card does not wake a thousand. Nobody holds a connection while waiting
 * but the one that listens.
 */
export class ClaimableWatch extends Context.Service<
  ClaimableWatch,
  {
    /** Waits until there is a card to claim, so many seconds at most, and answers whether there is. */
    readonly wait: (choice: ClaimFilter, seconds: number) => Effect.Effect<boolean, SqlError.SqlError>
  }
>()("mosaic-backlog/services/ClaimableWatch") {
  static readonly layer: Layer.Layer<ClaimableWatch, never, EventLog | ReadModel> = Layer.effect(
    ClaimableWatch,
    Effect.gen(function* () {
      const log = yield* EventLog
      const readModel = yield* ReadModel
      const pollInterval = yield* PollInterval
      // In the order in which they came.
      const waiting = new Set<Waiting>()
      const news = yield* Queue.sliding<void>(1)

      const giveUp = (cause: Cause.Cause<SqlError.SqlError>) =>
        Effect.sync(() => {
          for (const { called } of waiting) Deferred.doneUnsafe(called, Effect.failCause(cause))
          waiting.clear()
        })

      /** Calls those for whom there are cards, and answers how long the others may wait if they hear nothing. */
      const look = Effect.gen(function* () {
        const groups = groupsOf(waiting)
        const { counts, soonestSeconds } = yield* withPromptAnswer(readModel.countClaimable(groups.map(wantedBy)))
        for (const [index, group] of groups.entries()) {
          for (const one of group.slice(0, counts[index])) {
            waiting.delete(one)
            Deferred.doneUnsafe(one.called, Effect.void)
          }
        }
        return soonestSeconds === null
          ? pollInterval
          : Duration.min(pollInterval, Duration.millis(Math.ceil(soonestSeconds * 1000)))
      })

      const watch = Effect.gen(function* () {
        const commits = yield* log.subscribeCommits
        yield* Effect.forkScoped(Effect.forever(Effect.andThen(PubSub.take(commits), Queue.offer(news, undefined))))
        for (;;) {
          const begun = yield* Clock.monotonicTimeNanos
          // What goes wrong is told to all who wait, and those who come later look again.
          if (waiting.size > 0) {
            const patience = yield* Effect.catchCause(look, (cause) => Effect.as(giveUp(cause), pollInterval))
            yield* Effect.timeoutOption(Queue.take(news), patience)
          } else yield* Queue.take(news)
          const passed = Number((yield* Clock.monotonicTimeNanos) - begun) / 1e6
          if (passed < shortestPauseMillis) yield* Effect.sleep(shortestPauseMillis - passed)
        }
      }).pipe(Effect.onInterrupt(() => giveUp(Cause.interrupt())))

      const watcher = yield* RcRef.make({ acquire: Effect.forkScoped(watch), idleTimeToLive: listensOn })

      const wait = Effect.fnUntraced(function* (choice: ClaimFilter, seconds: number) {
        if (seconds === 0)
          return (yield* withPromptAnswer(readModel.countClaimable([{ filter: choice, limit: 1 }]))).counts[0] !== 0
        yield* RcRef.get(watcher)
        const self: Waiting = { choice, called: Deferred.makeUnsafe() }
        waiting.add(self)
        yield* Queue.offer(news, undefined)
        return yield* Deferred.await(self.called).pipe(
          Effect.timeoutOption(Duration.seconds(seconds)),
          Effect.map(Option.isSome),
          Effect.ensuring(Effect.sync(() => waiting.delete(self)))
        )
      }, Effect.scoped)

      return ClaimableWatch.of({ wait })
    })
  )
}

/** Those who want the same, together. */
const groupsOf = (waiting: Iterable<Waiting>): ReadonlyArray<ReadonlyArray<Waiting>> =>
  Object.values(Arr.groupBy(waiting, ({ choice: { minPriority, phase } }) => JSON.stringify([phase, minPriority])))

const wantedBy = (group: ReadonlyArray<Waiting>): ClaimDemand => ({
  filter: group[0]?.choice ?? {},
  limit: group.length
})
