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
 * Renews a claim when a third of its time has passed, a little earlier by chance, and tries again while the database cannot
 * be asked. While a renewal has no answer, another one begins with every sixth of the lease, since the connection of the
 * first may be dead; each ends with the lease, and the first answer counts. The claim is lost when the database says so; and when its time is over by this process's own clock, counted
 * from before each renewal was asked for, which is before anybody else can have the card.
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
        // Timers have no parts of a millisecond.
        if (leftMillis < 1) return yield* Effect.fail("its time was over before it could be renewed")
        yield* backlog.renew({ id: card.id, token, actor }).pipe(
          Effect.result,
          Effect.flatMap((answer) => Queue.offer(answers, { begun, answer })),
          Effect.forkScoped
        )
        const renewal = yield* Effect.timeoutOption(Queue.take(answers), Math.min(leftMillis, ttlMillis / 6))
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
    yield* Effect.sleep(Math.max(0, leftMillis - ttlMillis * part))
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
