import { Clock, Deferred, Effect, Option, Queue, Random, Result, type Scope } from "effect"
import type { BacklogService, Card } from "../index.ts"

/** Why a card's handler is interrupted, or not started. */
export type StopReason =
  /** The claim is lost, or may be. */
  | { readonly _tag: "Lost"; readonly reason: string }
  /** The worker is stopping, and has not started the handler. */
  | { readonly _tag: "NotStarted" }
  /** The worker is stopping, and the grace period expired before the handler ended. */
  | { readonly _tag: "GraceExpired" }

/** A claim that is renewed until its scope is closed. */
export interface Lease {
  readonly card: Card
  readonly token: number
  readonly stopped: Deferred.Deferred<StopReason>
  /** Whether the handler has started. */
  hasStarted: boolean
}

/** A card that was just claimed. */
export interface NewClaim {
  readonly card: Card
  /** A time before the database claimed the card, by this process's monotonic clock, in nanoseconds. */
  readonly requestedAt: bigint
}

/**
 * Renews a claim once a quarter to a third of its lease has passed, and retries while the database does not respond. While
 * a renewal is unanswered, another one is sent every sixth of the lease, since the connection of the first may be dead; the
 * first response counts.
 *
 * The claim is lost when the database reports `ClaimLost` or `CardNotFound`, or when its lease has expired by this process's monotonic clock. The lease is
 * counted from before the renewal was sent, so no other worker can have claimed the card earlier.
 */
export const maintainLease = Effect.fnUntraced(function* (
  backlog: BacklogService["Service"],
  { card, requestedAt }: NewClaim,
  { actor, ttlSeconds }: { readonly actor: string; readonly ttlSeconds: number }
): Effect.fn.Return<Lease, never, Scope.Scope> {
  const ttlMillis = ttlSeconds * 1000
  const token = card.claimToken ?? 0
  const stopped = yield* Deferred.make<StopReason>()
  let expiresAt = requestedAt + toNanos(ttlMillis)

  const renew = Effect.scoped(
    Effect.gen(function* () {
      const renewals = yield* Queue.unbounded<Renewal>()
      for (let delay = Math.min(250, ttlMillis / 12); ; delay = Math.min(delay * 2, ttlMillis / 12)) {
        const sentAt = yield* Clock.monotonicTimeNanos
        const millisLeft = Number(expiresAt - sentAt) / 1e6
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
          expiresAt = renewal.value.sentAt + toNanos(ttlMillis)
          return
        }
        if (result.failure._tag === "ClaimLost" || result.failure._tag === "CardNotFound") {
          return yield* Effect.fail(result.failure.message)
        }
        yield* Effect.sleep(Math.min(delay, millisLeft))
      }
    })
  )

  const sleepUntilRenewal = Effect.gen(function* () {
    const millisLeft = Number(expiresAt - (yield* Clock.monotonicTimeNanos)) / 1e6
    const fraction = yield* Random.nextBetween(2 / 3, 3 / 4)
    yield* Effect.sleep(Math.max(0, Math.floor(millisLeft - ttlMillis * fraction)))
  })

  yield* sleepUntilRenewal.pipe(
    Effect.andThen(renew),
    Effect.forever,
    Effect.catch((reason) => Deferred.succeed(stopped, { _tag: "Lost", reason })),
    Effect.forkScoped
  )
  return { card, token, stopped, hasStarted: false }
})

/** The result of a renewal, and a time before it was sent. */
interface Renewal {
  readonly sentAt: bigint
  readonly result: Result.Result<Effect.Success<Renew>, Effect.Error<Renew>>
}

type Renew = ReturnType<BacklogService["Service"]["renew"]>

const toNanos = (millis: number): bigint => BigInt(Math.floor(millis * 1e6))
