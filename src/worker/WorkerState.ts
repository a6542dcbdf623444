import { Deferred, Effect, FiberSet, Queue, Random, type Scope, Semaphore } from "effect"
import { SqlError } from "effect/sql"
import { randomUUID } from "node:crypto"
import { sanitizeCause } from "../sql/sanitize.ts"
import { BacklogService, type Card } from "../index.ts"
import { directoryLostIn } from "../services/files/directoryErrors.ts"
import { databaseErrorKind } from "../sql/databaseErrors.ts"
import type { Lease, Stopped } from "./Lease.ts"
import type { Settings, WorkerEvent, WorkerReport } from "./WorkerOptions.ts"

const firstPauseMillis = 200
const longestPauseMillis = 10_000

/**
 * Tries again as long as the database does not answer, less and less often. What it refuses is not tried again, and an
 * embedded directory that was lost never answers again.
 */
export const whileUnavailable = Effect.fnUntraced(function* <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  tell: (event: WorkerEvent) => Effect.Effect<void>
): Effect.fn.Return<A, E, R> {
  for (let pause = firstPauseMillis; ; pause = Math.min(pause * 2, longestPauseMillis)) {
    const tried = yield* Effect.result(effect)
    if (tried._tag === "Success") return tried.success
    const error = tried.failure
    if (
      !SqlError.isSqlError(error) ||
      databaseErrorKind(error) !== "unavailable" ||
      directoryLostIn(error) !== undefined
    ) {
      return yield* Effect.fail(error)
    }
    const retryAfterMillis = Math.ceil(pause * (yield* Random.nextBetween(0.5, 1)))
    yield* tell({ _tag: "Unavailable", error, retryAfterMillis })
    yield* Effect.sleep(retryAfterMillis)
  }
})

/** Who asks, and under an id of its own: however often it is asked, it is done once. */
export const askedOnce = ({ actor }: Settings) => ({ actor, commandId: randomUUID() })

/** What the parts of a worker share while it works. */
export interface Crew {
  readonly backlog: BacklogService["Service"]
  readonly settings: Settings
  readonly handler: (card: Card) => Effect.Effect<unknown, unknown>
  /** Tells what happened, and counts it. */
  readonly tell: (event: WorkerEvent) => Effect.Effect<void>
  /** The leases on cards whose handler has not ended yet. */
  readonly leases: Set<Lease>
  /** A fiber for each card that is held. */
  readonly fibers: FiberSet.FiberSet
  /** As many as may be worked on at the same time. */
  readonly places: Semaphore.Semaphore
  /** Cards that are held, or are being claimed. */
  held: number
  /** Cards that were claimed, or are being claimed, all in all. */
  claimed: number
  /** Told when fewer cards are held than before. */
  readonly room: Queue.Queue<void>
  /** Done when no more is to be begun. */
  readonly ending: Deferred.Deferred<void>
  /** Done when what is being done has had its time. */
  readonly overdue: Deferred.Deferred<void>
  /** Fails with what nobody can work with. */
  readonly broken: Deferred.Deferred<never, SqlError.SqlError>
  readonly report: () => WorkerReport
}

/** Has cards not begun with, or not gone on with. */
export const stop = ({ leases }: Crew, which: (lease: Lease) => boolean, why: Stopped): Effect.Effect<void> =>
  Effect.sync(() => {
    for (const lease of leases) if (which(lease)) Deferred.doneUnsafe(lease.stopped, Effect.succeed(why))
  })

const counters = {
  Claimed: "claimed",
  Completed: "completed",
  Failed: "failed",
  Blocked: "blocked",
  Lost: "lost",
  Released: "released"
} as const

export const makeCrew = Effect.fnUntraced(function* (
  settings: Settings,
  handler: Crew["handler"],
  onEvent: (event: WorkerEvent) => Effect.Effect<void>
): Effect.fn.Return<Crew, never, BacklogService | Scope.Scope> {
  const counts = { claimed: 0, completed: 0, failed: 0, blocked: 0, lost: 0, released: 0 }
  const crew: Crew = {
    backlog: yield* BacklogService,
    settings,
    handler,
    tell: (event) =>
      Effect.suspend(() => {
        if ("card" in event) counts[counters[event._tag]]++
        return onEvent(event).pipe(
          Effect.catchCause((cause) => Effect.logError("What a worker tells was not taken.", sanitizeCause(cause))),
          Effect.asVoid
        )
      }),
    leases: new Set(),
    fibers: yield* FiberSet.make(),
    places: yield* Semaphore.make(settings.concurrency),
    held: 0,
    claimed: 0,
    room: yield* Queue.sliding<void>(1),
    ending: yield* Deferred.make<void>(),
    overdue: yield* Deferred.make<void>(),
    broken: yield* Deferred.make<never, SqlError.SqlError>(),
    report: () => ({ ...counts })
  }
  return crew
})
