import { Cause, Clock, Deferred, Effect, Exit, FiberSet, Queue, Random, Semaphore } from "effect"
import { SqlError } from "effect/sql"
import { redactSecrets } from "../domain/redactSecrets.ts"
import { sanitize } from "../sql/sanitize.ts"
import { databaseErrorText } from "../sql/databaseErrors.ts"
import { holdLease, type Lease, type NewClaim, type Stopped } from "./Lease.ts"
import { askedOnce, type Crew, whileUnavailable } from "./WorkerState.ts"

/**
 * Tells the backlog what became of a card, as long as that takes while the database cannot be asked: what may have been
 * carried out already is not done twice. Answers the card that was claimed in its place, if any.
 */
const settle = Effect.fnUntraced(function* (crew: Crew, lease: Lease, attempted: Attempted) {
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
  yield* tell({ _tag: "Released", card, reason })
})

/** When to try again after a number of attempts that failed. */
interface RetryTimes {
  readonly retryAfterSeconds: number
  readonly maxRetryAfterSeconds: number
}

/**
 * In how many whole seconds to try again after the attempt with a number, 1 for the first: each time twice as long, up to
 * a bound, and of that between a half and all, so that cards that failed together do not come back together.
 */
export const retryDelay = (
  attempt: number,
  { maxRetryAfterSeconds, retryAfterSeconds }: RetryTimes
): Effect.Effect<number> => {
  const whole = Math.min(maxRetryAfterSeconds, retryAfterSeconds * 2 ** (attempt - 1))
  return Effect.map(Random.nextBetween(0.5, 1), (part) => Math.ceil(whole * part))
}

/** Characters of a failure that are kept: enough to see what it was, and far from what a reason may have. */
const longest = 2_000

/** What is not for lines of text: control characters but line breaks and tabs. */
const unprintable = /[^\P{Cc}\n\t]/gu

/**
 * Why an attempt failed, as text that is kept with the card, without tokens, passwords and content of a database's rows: what
 * comes first and what comes last of it.
 */
export const failureText = (cause: Cause.Cause<unknown>): string => {
  if (Cause.hasInterruptsOnly(cause)) return "it interrupted itself"
  const text = readable(Cause.squash(cause))
  if (text.length <= longest) return text
  const half = longest / 2
  return `${text.slice(0, half).toWellFormed()} … ${text.slice(-half).toWellFormed()}`
}

const readable = (error: unknown): string => {
  const text = redactSecrets(textOf(error)).toWellFormed().replace(unprintable, "").trim()
  return text === "" ? "it did not say why" : text
}

const textOf = (error: unknown): string => {
  try {
    if (typeof error === "string") return error
    if (SqlError.isSqlError(error)) return databaseErrorText(error)
    if (error instanceof Error) {
      return error.message === "" ? error.name : error.message
    }
    return JSON.stringify(sanitize(error)) ?? String(error)
  } catch {
    return "it failed with what cannot be shown"
  }
}

/** How it went with a card. */
export type Attempted = { readonly _tag: "Ended"; readonly exit: Exit.Exit<unknown, unknown> } | Stopped

/** Runs the handler when it is the card's turn, and interrupts it when it must not go on. */
const attempt = (crew: Crew, lease: Lease): Effect.Effect<Attempted> =>
  Effect.suspend(() => {
    let ended: Exit.Exit<unknown, unknown> | undefined
    const run = Effect.suspend(() => {
      if (Deferred.isDoneUnsafe(lease.stopped)) return Effect.never
      lease.hasBegun = true
      return Effect.onExit(
        Effect.suspend(() => crew.handler(lease.card)),
        (exit) => Effect.sync(() => (ended = exit))
      )
    })
    const running = Effect.as(Semaphore.withPermit(crew.places, run), undefined)
    return Effect.map(Effect.exit(Effect.raceFirst(running, Deferred.await(lease.stopped))), (first) => {
      const stopped = Exit.isSuccess(first) ? first.value : undefined
      // It may have come to its end all the same: whether that counts is for the backlog to say.
      if (stopped !== undefined && !(ended !== undefined && Exit.isSuccess(ended))) return stopped
      return { _tag: "Ended", exit: ended ?? first }
    })
  })

/** How long the database is still asked, once a worker that ends has waited for its handlers. */
const lastTries = "5 seconds"

/** Begins with a card in a fiber of its own, which ends when the card is settled, or the one that followed it. */
export const beginWith = (crew: Crew, claim: NewClaim): Effect.Effect<void> =>
  Effect.andThen(
    crew.tell({ _tag: "Claimed", card: claim.card }),
    Effect.asVoid(FiberSet.run(crew.fibers, workOn(crew, claim)))
  )

const workOn = (crew: Crew, claim: NewClaim): Effect.Effect<void> =>
  whatBecomesOf(crew, claim).pipe(
    Effect.flatMap((next) => (next === undefined ? leave(crew) : beginWith(crew, next))),
    Effect.catchCause((cause) => Effect.andThen(Deferred.failCause(crew.broken, cause), leave(crew)))
  )

const leave = (crew: Crew) =>
  Effect.suspend(() => {
    crew.held--
    return Queue.offer(crew.room, undefined)
  })

const attemptUnlessEnding = (crew: Crew, lease: Lease): Effect.Effect<Attempted> =>
  Effect.suspend(() => {
    if (Deferred.isDoneUnsafe(crew.ending)) return Effect.succeed({ _tag: "NotBegun" })
    crew.leases.add(lease)
    return Effect.onExitPrimitive(attempt(crew, lease), () => {
      crew.leases.delete(lease)
      return undefined
    })
  })

const whatBecomesOf = Effect.fnUntraced(function* (crew: Crew, claim: NewClaim) {
  const { card } = claim
  const lost = (reason: string) => Effect.as(crew.tell({ _tag: "Lost", card, reason }), undefined)
  const lease = yield* holdLease(crew.backlog, claim, crew.settings)
  const attempted = yield* attemptUnlessEnding(crew, lease)
  const tooLate = Deferred.await(crew.overdue).pipe(
    Effect.andThen(Effect.sleep(lastTries)),
    Effect.andThen(lost("the worker ended while the database could not be asked"))
  )
  return yield* Effect.raceFirst(settle(crew, lease, attempted), tooLate).pipe(
    Effect.catchTags({
      ClaimLost: ({ message }) => lost(message),
      CardIsDone: ({ message }) => lost(message),
      CardNotFound: ({ message }) => lost(message)
    }),
    // What else can be refused would be an error of this program.
    Effect.catchTags({ CardIsClaimed: Effect.die, CommandIdConflict: Effect.die, InvalidInput: Effect.die })
  )
}, Effect.scoped)
