import { Deferred, Effect, FiberSet, Queue, type Scope, Semaphore } from "effect"
import type { SqlError } from "effect/sql"
import { randomUUID } from "node:crypto"
import { sanitizeCause } from "../sql/sanitize.ts"
import { BacklogService, type Card } from "../index.ts"
import type { Lease, Stopped } from "./Lease.ts"
import type { Settings } from "./WorkerOptions.ts"
import type { WorkerEvent, WorkerReport } from "./WorkerEvent.ts"

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
  GivenBack: "givenBack"
} as const

export const makeCrew = Effect.fnUntraced(function* (
  settings: Settings,
  handler: Crew["handler"],
  onEvent: (event: WorkerEvent) => Effect.Effect<void>
): Effect.fn.Return<Crew, never, BacklogService | Scope.Scope> {
  const counts = { claimed: 0, completed: 0, failed: 0, blocked: 0, lost: 0, givenBack: 0 }
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
