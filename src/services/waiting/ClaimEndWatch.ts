import { Context, Effect, Layer } from "effect"
import type { SqlError } from "effect/sql"
import { EventLog } from "../../events/EventLog.ts"
import { ReadGate } from "../../events/ReadGate.ts"
import { PollInterval } from "./CommitNotifications.ts"
import { makeWatch, type Waiter } from "./makeWatch.ts"
import type { ClaimKey } from "../../projections/claimEndQueries.ts"
import { ReadModel } from "../../projections/ReadModel.ts"

/** Minimum time between two checks, in milliseconds: far below a second, and cheap also if there are many commits. */
const minCheckIntervalMillis = 100

/** Waits for the end of claims, for all holders of a process. It checks the database after a commit, and at `PollInterval`. */
export class ClaimEndWatch extends Context.Service<
  ClaimEndWatch,
  {
    /** Waits until a claim has ended, for at most this many seconds. Returns whether it has; with 0 it checks once. */
    readonly wait: (claim: ClaimKey, seconds: number) => Effect.Effect<boolean, SqlError.SqlError>
  }
>()("mosaic-backlog/services/ClaimEndWatch") {
  static readonly layer: Layer.Layer<ClaimEndWatch, never, EventLog | ReadGate | ReadModel> = Layer.effect(
    ClaimEndWatch,
    Effect.gen(function* () {
      const readModel = yield* ReadModel
      const gate = yield* ReadGate
      const pollInterval = yield* PollInterval

      const haveEnded = gate.read("BacklogService.awaitClaimEnd", (claims: ReadonlyArray<ClaimKey>) =>
        readModel.haveClaimsEnded(claims)
      )

      const check = (waiters: ReadonlyArray<Waiter<ClaimKey>>) =>
        Effect.map(haveEnded(waiters.map(({ wanted }) => wanted)), (ended) => ({
          woken: waiters.filter((_, index) => ended[index]),
          timeout: pollInterval
        }))

      const wait = yield* makeWatch(yield* EventLog, { check, minCheckIntervalMillis, pollInterval })

      return ClaimEndWatch.of({
        wait: (claim, seconds) =>
          seconds === 0 ? Effect.map(haveEnded([claim]), ([hasEnded]) => hasEnded === true) : wait(claim, seconds)
      })
    })
  )
}
