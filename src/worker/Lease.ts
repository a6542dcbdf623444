import { Clock, Effect, Fiber, Option, Queue, Random, Result, type Scope } from "effect"
import type { BacklogService, ClaimedCard } from "../index.ts"

/** Why a card's handler is interrupted, or not started. */
export type StopReason =
  /** The claim is lost, or may be. */
  | { readonly _tag: "Lost"; readonly reason: string }
  /** The worker is stopping, and has not started the handler. */
  | { readonly _tag: "NotStarted" }
  /** The worker is stopping, and the grace period expired before the handler ended. */
  | { readonly _tag: "GraceExpired" }

/** A claim that is renewed until it is released. */
export interface Lease {
  readonly card: ClaimedCard
  readonly token: number
  /** Why the handler was stopped, if it was. */
  stopped: StopReason | undefined
  /** Interrupts the handler, while it runs or waits for a slot. */
  interrupt: (() => void) | undefined
  /** Whether the handler has started. */
  hasStarted: boolean
}

/** Interrupts the handler of a lease. A handler that has not started never starts. Only the first reason counts. */
export const stopHandler = (lease: Lease, reason: StopReason): void => {
  if (lease.stopped !== undefined) return
  lease.stopped = reason
  lease.interrupt?.()
}

/** A card that was just claimed. */
export interface NewClaim {
  readonly card: ClaimedCard
  /** A time before the database claimed the card, by this process's monotonic clock, in nanoseconds. */
  readonly requestedAt: bigint
}

/** Renews the claims of a worker. */
export interface LeaseKeeper {
  /**
   * Renews a claim once a quarter to a third of its lease has passed, and retries while the database does not respond. While
   * a renewal is unanswered, another one is sent every sixth of the lease, since the connection of the first may be dead; the
   * first response counts.
   *
   * The handler is stopped when the claim is lost: when the database reports `ClaimLost` or `CardNotFound`, or when the lease
   * has expired by this process's monotonic clock. The lease is counted from before the renewal was sent, so no other worker
   * can have claimed the card earlier.
   *
   * Half a second after the claim, the keeper begins to wait for its end in the backlog. Then it renews the claim at once,
   * which reports how it ended.
   */
  readonly keep: (claim: NewClaim) => Effect.Effect<Lease>
  /** Ends the renewals of a lease. */
  readonly release: (lease: Lease) => Effect.Effect<void>
}

/** A lease, and when it is renewed. */
interface KeptLease {
  readonly lease: Lease
  /** By the monotonic clock, in nanoseconds. */
  expiresAt: bigint
  renewAt: bigint
  /** The renewal that is under way. */
  renewal: Fiber.Fiber<void> | undefined
  /** When to begin to wait for the end of the claim. */
  readonly watchAt: bigint
  watcher: Fiber.Fiber<void> | undefined
}

/** When a lease needs something next. `undefined` while that depends on a renewal. */
const dueAtOf = ({ renewAt, renewal, watchAt, watcher }: KeptLease): bigint | undefined => {
  if (renewal !== undefined) return watcher === undefined ? watchAt : undefined
  return watcher === undefined && watchAt < renewAt ? watchAt : renewAt
}

/** How long a claim is kept before the keeper waits for its end: most short work has ended by then, and costs nothing more. */
const watchAfterMillis = 500

/** How long one wait for the end of a claim lasts, in seconds. */
const watchSeconds = 30

/** How long to wait before waiting again, in milliseconds: a server that shuts down ends all waits at once. */
const watchAgainMillis = 250

/** The same after a failure. */
const watchAfterFailureMillis = 1000

/** Makes a keeper whose renewals end with the scope. One fiber waits for the next renewal of all leases. */
export const makeLeaseKeeper = Effect.fnUntraced(function* (
  backlog: BacklogService["Service"],
  { actor, ttlSeconds }: { readonly actor: string; readonly ttlSeconds: number }
): Effect.fn.Return<LeaseKeeper, never, Scope.Scope> {
  const ttlMillis = ttlSeconds * 1000
  const scope = yield* Effect.scope
  const kept = new Map<Lease, KeptLease>()
  const changed = yield* Queue.sliding<void>(1)
  /** When the waiting fiber continues at the latest. */
  let wakesAt: bigint | undefined

  const renew = (held: KeptLease) =>
    Effect.scoped(
      Effect.gen(function* () {
        const { card, token } = held.lease
        const renewals = yield* Queue.unbounded<Renewal>()
        for (let delay = Math.min(250, ttlMillis / 12); ; delay = Math.min(delay * 2, ttlMillis / 12)) {
          const sentAt = yield* Clock.monotonicTimeNanos
          const millisLeft = Number(held.expiresAt - sentAt) / 1e6
          // Whole milliseconds here and below: fractions would add up to a wait beyond the end of the lease.
          if (millisLeft < 1) return yield* Effect.fail("the lease expired before it could be renewed")
          yield* backlog.renew({ id: card.id, token, actor }).pipe(
            Effect.result,
            Effect.flatMap((result) => Queue.offer(renewals, { sentAt, result })),
            Effect.forkScoped
          )
          const renewal = yield* Effect.timeoutOption(
            Queue.take(renewals),
            Math.floor(Math.min(millisLeft, ttlMillis / 6))
          )
          if (Option.isNone(renewal)) continue
          const { result } = renewal.value
          if (Result.isSuccess(result)) {
            held.expiresAt = renewal.value.sentAt + toNanos(ttlMillis)
            return
          }
          if (result.failure._tag === "ClaimLost" || result.failure._tag === "CardNotFound") {
            return yield* Effect.fail(result.failure.message)
          }
          yield* Effect.sleep(Math.min(delay, millisLeft))
        }
      })
    )

  const schedule = (held: KeptLease) =>
    Effect.map(Random.nextBetween(2 / 3, 3 / 4), (fraction) => {
      held.renewal = undefined
      held.renewAt = held.expiresAt - toNanos(ttlMillis * fraction)
      const dueAt = dueAtOf(held)
      if (dueAt !== undefined && (wakesAt === undefined || dueAt < wakesAt)) Queue.offerUnsafe(changed, undefined)
    })

  const startRenewal = Effect.fnUntraced(function* (held: KeptLease) {
    held.renewal = yield* renew(held).pipe(
      Effect.andThen(schedule(held)),
      Effect.catch((reason) => Effect.sync(() => stopHandler(held.lease, { _tag: "Lost", reason }))),
      Effect.forkIn(scope)
    )
  })

  const renewNow = Effect.fnUntraced(function* (held: KeptLease) {
    if (held.renewal === undefined) yield* startRenewal(held)
    if (held.renewal !== undefined) yield* Fiber.await(held.renewal)
  })

  /** Waits for the end of a claim. While the database is unavailable, only the renewals decide about the lease. */
  const watch = Effect.fnUntraced(function* (held: KeptLease) {
    const { card, token } = held.lease
    const awaitEnd = backlog
      .awaitClaimEnd({ id: card.id, token, waitSeconds: watchSeconds })
      .pipe(Effect.catchCause(() => Effect.as(Effect.sleep(watchAfterFailureMillis), false)))
    while (held.lease.stopped === undefined) {
      if (yield* awaitEnd) yield* renewNow(held)
      yield* Effect.sleep(watchAgainMillis)
    }
  })

  const renewAll = Effect.gen(function* () {
    for (;;) {
      const now = yield* Clock.monotonicTimeNanos
      wakesAt = undefined
      for (const held of kept.values()) {
        if (held.lease.stopped !== undefined) continue
        if (held.watcher === undefined && held.watchAt <= now) held.watcher = yield* Effect.forkIn(watch(held), scope)
        if (held.renewal === undefined && held.renewAt <= now) yield* startRenewal(held)
        const dueAt = dueAtOf(held)
        if (dueAt !== undefined && (wakesAt === undefined || dueAt < wakesAt)) wakesAt = dueAt
      }
      const change = Queue.take(changed)
      // Whole milliseconds, rounded up: the next turn finds the lease due.
      yield* wakesAt === undefined
        ? change
        : Effect.raceFirst(change, Effect.sleep(Math.ceil(Number(wakesAt - now) / 1e6)))
    }
  })
  yield* Effect.forkScoped(renewAll)

  return {
    keep: ({ card, requestedAt }) =>
      Effect.suspend(() => {
        const lease: Lease = {
          card,
          token: card.claimToken,
          stopped: undefined,
          interrupt: undefined,
          hasStarted: false
        }
        const held: KeptLease = {
          lease,
          expiresAt: requestedAt + toNanos(ttlMillis),
          renewAt: 0n,
          renewal: undefined,
          watchAt: requestedAt + toNanos(watchAfterMillis),
          watcher: undefined
        }
        kept.set(lease, held)
        return Effect.as(schedule(held), lease)
      }),
    release: (lease) =>
      Effect.suspend(() => {
        const held = kept.get(lease)
        kept.delete(lease)
        const fibers = [held?.watcher, held?.renewal].filter((fiber) => fiber !== undefined)
        return fibers.length === 0 ? Effect.void : Fiber.interruptAll(fibers)
      })
  }
})

/** The result of a renewal, and a time before it was sent. */
interface Renewal {
  readonly sentAt: bigint
  readonly result: Result.Result<Effect.Success<Renew>, Effect.Error<Renew>>
}

type Renew = ReturnType<BacklogService["Service"]["renew"]>

const toNanos = (millis: number): bigint => BigInt(Math.floor(millis * 1e6))
