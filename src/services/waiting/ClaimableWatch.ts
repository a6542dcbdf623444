import { Array as Arr, Context, Duration, Effect, Layer } from "effect"
import type { SqlError } from "effect/sql"
import type { ClaimFilter } from "../../domain/Command.ts"
import { EventLog } from "../../events/EventLog.ts"
import { ReadGate } from "../../events/ReadGate.ts"
import { PollInterval } from "./CommitNotifications.ts"
import { makeWatch, type Waiter } from "./makeWatch.ts"
import type { ClaimDemand } from "../../projections/claimOutlookQueries.ts"
import { normalizeFilter } from "../../projections/LockPlan.ts"
import { ReadModel } from "../../projections/ReadModel.ts"

/**
 * Waits for claimable cards, for all waiters of a process. It checks the database after a commit in this or another process,
 * when a lease expires, when a retry time comes, and at `PollInterval`. It wakes as many waiters as there are cards, the longest
 * waiting first, so that one card does not wake a thousand workers.
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
      const readModel = yield* ReadModel
      const gate = yield* ReadGate
      const pollInterval = yield* PollInterval

      const countClaimable = gate.read("BacklogService.awaitClaimable", (wanted: ReadonlyArray<ClaimDemand>) =>
        readModel.countClaimable(wanted)
      )

      const check = Effect.fnUntraced(function* (waiters: ReadonlyArray<Waiter<ClaimFilter>>) {
        const groups = groupByFilter(waiters)
        const { counts, soonestSeconds } = yield* countClaimable(groups.map(demandOf))
        return {
          woken: groups.flatMap((group, index) => group.slice(0, counts[index])),
          timeout:
            soonestSeconds === null
              ? pollInterval
              : Duration.min(pollInterval, Duration.millis(Math.ceil(soonestSeconds * 1000)))
        }
      })

      const wait = yield* makeWatch(yield* EventLog, { check, minCheckIntervalMillis: 10, pollInterval })

      return ClaimableWatch.of({
        wait: (filter, seconds) =>
          seconds === 0
            ? Effect.map(countClaimable([{ filter, limit: 1 }]), ({ counts }) => counts[0] !== 0)
            : wait(filter, seconds)
      })
    })
  )
}

const groupByFilter = (
  waiters: ReadonlyArray<Waiter<ClaimFilter>>
): ReadonlyArray<ReadonlyArray<Waiter<ClaimFilter>>> =>
  Object.values(Arr.groupBy(waiters, ({ wanted }) => JSON.stringify(normalizeFilter(wanted))))

const demandOf = (group: ReadonlyArray<Waiter<ClaimFilter>>): ClaimDemand => ({
  filter: group[0]?.wanted ?? {},
  limit: group.length
})
