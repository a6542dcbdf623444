import { Clock, Deferred, Effect, Option, Queue, Random, Result, type Scope } from "effect"
import type { BacklogService, Card } from "../index.ts"

/** Why the handler of a card must not begin, or not go on. */
export type Stopped =
  /** The claim is lost, or has to be taken for lost. */
  | { readonly _tag: "Lost"; readonly reason: string }
  /** The worker ends, and has not begun with the card. */
  | { readonly _tag: "NotBegun" }
  /** The worker ends, and the handler took longer than it may. */
  | { readonly _tag: "Overdue" }

/** A claim that is renewed as long as its scope is open. */
export interface Lease {
  readonly card: Card
  readonly token: number
  readonly stopped: Deferred.Deferred<Stopped>
  /** Whether the handler has had its turn. */
  hasBegun: boolean
}

/** A card that was just claimed. */
export interface NewClaim {
  readonly card: Card
  /** A moment before the database claimed it, by this process's monotonic clock, in nanoseconds. */
  readonly asked: bigint
}

/**
 * Renews a claim a little before a third of its time has passed, and tries again while the database does not answer. While
 * a renewal has no answer, another begins with every sixth of the lease, since the connection of the first may be dead.
 * Each ends with the lease; the first answer counts. The claim is lost when the database says so, or when its time by this
 * process's clock, counted from before the renewal was sent, is over: no other worker can have the card before that.
 */
export const holdLease = Effect.fnUntraced(function* (
  backlog: BacklogService["Service"],
  { asked, card }: NewClaim,
  { actor, ttlSeconds }: { readonly actor: string; readonly ttlSeconds: number }
): Effect.fn.Return<Lease, never, Scope.Scope> {
  const ttlMillis = ttlSeconds * 1000
  const token = card.claimToken ?? 0
  const stopped = yield* Deferred.make<Stopped>()
  let end = asked + millis(ttlMillis)

  const renewed = Effect.scoped(
    Effect.gen(function* () {
      const answers = yield* Queue.unbounded<Renewal>()
      for (let pause = Math.min(250, ttlMillis / 12); ; pause = Math.min(pause * 2, ttlMillis / 12)) {
        const begun = yield* Clock.monotonicTimeNanos
        const leftMillis = Number(end - begun) / 1e6
        // Whole milliseconds here and below: parts of one would add up beyond the end of the lease.
        if (leftMillis < 1) return yield* Effect.fail("its time was over before it could be renewed")
        yield* backlog.renew({ id: card.id, token, actor }).pipe(
          Effect.result,
          Effect.flatMap((answer) => Queue.offer(answers, { begun, answer })),
          Effect.forkScoped
        )
        const renewal = yield* Effect.timeoutOption(
          Queue.take(answers),
          Math.floor(Math.min(leftMillis, ttlMillis / 6))
        )
        if (Option.isNone(renewal)) continue
        const { answer } = renewal.value
        if (Result.isSuccess(answer)) {
          end = renewal.value.begun + millis(ttlMillis)
          return
        }
        if (answer.failure._tag === "ClaimLost" || answer.failure._tag === "CardNotFound") {
          return yield* Effect.fail(answer.failure.message)
        }
        yield* Effect.sleep(Math.min(pause, leftMillis))
      }
    })
  )

  const rested = Effect.gen(function* () {
    const leftMillis = Number(end - (yield* Clock.monotonicTimeNanos)) / 1e6
    const part = yield* Random.nextBetween(2 / 3, 3 / 4)
    yield* Effect.sleep(Math.max(0, Math.floor(leftMillis - ttlMillis * part)))
  })

  yield* rested.pipe(
    Effect.andThen(renewed),
    Effect.forever,
    Effect.catch((reason) => Deferred.succeed(stopped, { _tag: "Lost", reason })),
    Effect.forkScoped
  )
  return { card, token, stopped, hasBegun: false }
})

/** What became of a renewal, and a moment before it was asked for. */
interface Renewal {
  readonly begun: bigint
  readonly answer: Result.Result<Effect.Success<Renewing>, Effect.Error<Renewing>>
}

type Renewing = ReturnType<BacklogService["Service"]["renew"]>

const millis = (count: number): bigint => BigInt(Math.floor(count * 1e6))
