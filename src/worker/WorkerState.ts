import { Deferred, Effect, FiberSet, Queue, Random, type Scope, Semaphore } from "effect"
import { SqlError } from "effect/sql"
import { sanitizeCause } from "../sql/sanitize.ts"
import { type BacklogFailure, BacklogService, type CardId, type ClaimedCard } from "../index.ts"
import { findDirectoryLost } from "../services/files/directoryErrors.ts"
import { isTransientServerFailure } from "../services/serverFailures.ts"
import { databaseErrorKind } from "../sql/databaseErrors.ts"
import type { HandlerUnusable } from "./HandlerUnusable.ts"
import { type Lease, type LeaseKeeper, makeLeaseKeeper, type StopReason, stopHandler } from "./Lease.ts"
import type { WorkerEvent, WorkerReport, WorkerSettings } from "./WorkerOptions.ts"

/** What the parts of one running worker share. */
export interface WorkerState {
  readonly backlog: BacklogService["Service"]
  readonly settings: WorkerSettings
  readonly handler: (card: ClaimedCard) => Effect.Effect<unknown, unknown>
  /** Counts an event and passes it to `onEvent`. */
  readonly emit: (event: WorkerEvent) => Effect.Effect<void>
  readonly keeper: LeaseKeeper
  /** The leases on cards whose handler has not ended. */
  readonly leases: Set<Lease>
  /** One fiber for each card that the worker holds. */
  readonly fibers: FiberSet.FiberSet
  /** One permit for each handler that may run at the same time. */
  readonly slots: Semaphore.Semaphore
  /** The number of cards that the worker holds or is claiming. */
  heldCards: number
  /** The number of cards that the worker has claimed or is claiming since it started. */
  claimedCards: number
  /** Receives a value when the worker holds fewer cards than before. */
  readonly capacityFreed: Queue.Queue<void>
  /** Done once the worker must not start another card. */
  readonly stopping: Deferred.Deferred<void>
  /** Done once the grace period has expired. */
  readonly graceExpired: Deferred.Deferred<void>
  /** The cards that failed at once. `undefined` once a card did not, since the handler can work. */
  quickFailures: Set<CardId> | undefined
  /** Fails with the first error that a retry cannot fix. */
  readonly failure: Deferred.Deferred<never, HandlerUnusable | BacklogFailure>
  readonly report: () => WorkerReport
}

const counters = {
  Claimed: "claimed",
  Completed: "completed",
  Failed: "failed",
  Blocked: "blocked",
  Lost: "lost",
  Released: "released"
} as const

/** Creates the state of a worker that is about to start. */
export const makeWorkerState = Effect.fnUntraced(function* (
  settings: WorkerSettings,
  handler: WorkerState["handler"],
  onEvent: (event: WorkerEvent) => Effect.Effect<void>
): Effect.fn.Return<WorkerState, never, BacklogService | Scope.Scope> {
  const counts = { claimed: 0, completed: 0, failed: 0, blocked: 0, lost: 0, released: 0 }
  const backlog = yield* BacklogService
  const worker: WorkerState = {
    backlog,
    keeper: yield* makeLeaseKeeper(backlog, settings),
    settings,
    handler,
    emit: (event) =>
      Effect.suspend(() => {
        if ("card" in event) counts[counters[event._tag]]++
        return onEvent(event).pipe(
          Effect.catchCause((cause) => Effect.logError("onEvent failed; the worker continues.", sanitizeCause(cause))),
          Effect.asVoid
        )
      }),
    leases: new Set(),
    fibers: yield* FiberSet.make(),
    slots: yield* Semaphore.make(settings.concurrency),
    heldCards: 0,
    claimedCards: 0,
    capacityFreed: yield* Queue.sliding<void>(1),
    stopping: yield* Deferred.make<void>(),
    graceExpired: yield* Deferred.make<void>(),
    quickFailures: settings.maxFailures === 0 ? undefined : new Set(),
    failure: yield* Deferred.make<never, HandlerUnusable | BacklogFailure>(),
    report: () => ({ ...counts })
  }
  return worker
})

/** Stops the handlers of the leases that `isAffected` selects. A handler that has not started never starts. */
export const stopHandlers = (
  { leases }: WorkerState,
  isAffected: (lease: Lease) => boolean,
  reason: StopReason
): Effect.Effect<void> =>
  Effect.sync(() => {
    for (const lease of leases) if (isAffected(lease)) stopHandler(lease, reason)
  })

const firstDelayMillis = 200
const maxDelayMillis = 10_000

/**
 * Retries an effect while the database is unavailable, with growing delays. Other errors fail at once; so does the loss of
 * an embedded directory, which never becomes available again.
 */
export const retryWhileUnavailable = <A, E, R>(
  worker: Pick<WorkerState, "emit">,
  effect: Effect.Effect<A, E, R>,
  delay = firstDelayMillis
): Effect.Effect<A, E, R> =>
  Effect.catchIf(effect, isUnavailable, (error) =>
    Effect.gen(function* () {
      const retryAfterMillis = Math.ceil(delay * (yield* Random.nextBetween(0.5, 1)))
      yield* worker.emit({ _tag: "Unavailable", error, retryAfterMillis })
      yield* Effect.sleep(retryAfterMillis)
      return yield* retryWhileUnavailable(worker, effect, Math.min(delay * 2, maxDelayMillis))
    })
  )

const isUnavailable = <E>(error: E): error is E & BacklogFailure =>
  SqlError.isSqlError(error)
    ? databaseErrorKind(error) === "unavailable" && findDirectoryLost(error) === undefined
    : isTransientServerFailure(error)
