import { Clock, Deferred, Effect, Exit } from "effect"
import type { Attempted } from "./attempt.ts"
import { askedOnce, type Crew } from "./Crew.ts"
import { failureText } from "./failureText.ts"
import type { Lease, NewClaim } from "./Lease.ts"
import { retryDelay } from "./retryDelay.ts"
import { whileUnavailable } from "./whileUnavailable.ts"

/**
 * Tells the backlog what became of a card, as long as that takes while the database cannot be asked: what may have been
 * carried out already is not done twice. Answers the card that was claimed in its place, if any.
 */
export const settle = Effect.fnUntraced(function* (crew: Crew, lease: Lease, attempted: Attempted) {
  const { card } = lease
  switch (attempted._tag) {
    case "Ended":
      if (Exit.isSuccess(attempted.exit)) return yield* complete(crew, lease, attempted.exit.value)
      return yield* fail(crew, lease, failureText(attempted.exit.cause))
    case "Lost":
      return yield* crew.tell({ _tag: "Lost", card, reason: attempted.reason })
    case "NotBegun":
      return yield* giveBack(crew, lease, "The worker ended before it began with the card.")
    case "Overdue":
      return yield* giveBack(crew, lease, "The worker ended before it was done with the card.")
  }
})

const complete = Effect.fnUntraced(
  function* (crew: Crew, lease: Lease, result: unknown) {
    const { backlog, settings, tell } = crew
    const { card, token } = lease
    const { choice, maxCards, owner, ttlSeconds } = settings
    const claimsNext = !Deferred.isDoneUnsafe(crew.ending) && crew.claimed < maxCards
    if (claimsNext) crew.claimed++
    const asked = yield* Clock.monotonicTimeNanos
    const completion = {
      id: card.id,
      token,
      // Whether it is JSON is for the backlog to say.
      result: (result ?? null) as null,
      ...askedOnce(settings)
    }
    const completing = backlog.complete(
      claimsNext ? { claimNext: { owner, ttlSeconds, ...choice }, ...completion } : completion
    )
    const { attempts, madeClaimable, next } = yield* whileUnavailable(completing, tell).pipe(
      Effect.tapCause(() => Effect.sync(() => (crew.claimed -= claimsNext ? 1 : 0)))
    )
    if (claimsNext && next === null) crew.claimed--
    // A card that is done is answered as it is, whoever did it.
    yield* tell(
      attempts === card.attempts
        ? { _tag: "Completed", card, madeClaimable }
        : { _tag: "Lost", card, reason: "somebody else claimed and completed it meanwhile" }
    )
    return next === null ? undefined : ({ card: next, asked } satisfies NewClaim)
  },
  (completing, crew, lease) =>
    Effect.catchTag(completing, "InvalidInput", ({ problem }) =>
      fail(crew, lease, `its result cannot be kept: ${problem}`)
    )
)

const fail = Effect.fnUntraced(function* ({ backlog, settings, tell }: Crew, lease: Lease, why: string) {
  const { card, token } = lease
  const { id } = card
  const reason = `Attempt ${card.attempts} failed: ${why}`
  if (card.attempts < settings.maxAttempts) {
    const retryAfterSeconds = yield* retryDelay(card.attempts, settings)
    yield* whileUnavailable(backlog.release({ ...askedOnce(settings), id, token, reason, retryAfterSeconds }), tell)
    return yield* tell({ _tag: "Failed", card, reason, retryAfterSeconds })
  }
  // Whoever blocks a card shows no token: from this on nobody else can have it for the time of a whole lease.
  yield* whileUnavailable(backlog.renew({ ...askedOnce(settings), id, token }), tell)
  yield* whileUnavailable(backlog.block({ ...askedOnce(settings), id, reason }), tell)
  return yield* tell({ _tag: "Blocked", card, reason })
})

const giveBack = Effect.fnUntraced(function* ({ backlog, settings, tell }: Crew, lease: Lease, reason: string) {
  const { card, token } = lease
  yield* whileUnavailable(backlog.release({ ...askedOnce(settings), id: card.id, token, reason }), tell)
  yield* tell({ _tag: "GivenBack", card, reason })
})
