import { Cause, Clock, Deferred, Effect, Exit, Fiber, FiberSet, Queue, Random, Semaphore } from "effect"
import { SqlError } from "effect/sql"
import { randomUUID } from "node:crypto"
import { redactSecrets } from "../domain/redactSecrets.ts"
import { databaseErrorText } from "../sql/databaseErrors.ts"
import { sanitize } from "../sql/sanitize.ts"
import type { Lease, NewClaim, StopReason } from "./Lease.ts"
import type { WorkerSettings } from "./WorkerOptions.ts"
import { retryWhileUnavailable, type WorkerState } from "./WorkerState.ts"

/*
 * Steps of a claimed card: startCard → workOnCard → keep and runHandler → settle: complete, failAttempt or release.
 * A completion may claim the next card, which the same fiber then starts.
 */

/** Starts a card in a fiber that ends when the card is settled, and the cards that followed it are. */
export const startCard = (worker: WorkerState, claim: NewClaim): Effect.Effect<void> =>
  Effect.andThen(
    worker.emit({ _tag: "Claimed", card: claim.card }),
    Effect.asVoid(FiberSet.run(worker.fibers, workOnCards(worker, claim)))
  )

const workOnCards = (worker: WorkerState, first: NewClaim): Effect.Effect<void> =>
  Effect.gen(function* () {
    let claim: NewClaim | undefined = first
    while (claim !== undefined) {
      claim = yield* workOnCard(worker, claim)
      if (claim !== undefined) yield* worker.emit({ _tag: "Claimed", card: claim.card })
    }
  }).pipe(
    Effect.catchCause((cause) => Deferred.failCause(worker.failure, cause)),
    Effect.andThen(freeCapacity(worker))
  )

const freeCapacity = (worker: WorkerState) =>
  Effect.suspend(() => {
    worker.heldCards--
    return Queue.offer(worker.capacityFreed, undefined)
  })

/** Works on one card, and returns the card that its completion claimed, if any. */
const workOnCard = (worker: WorkerState, claim: NewClaim): Effect.Effect<NewClaim | undefined, SqlError.SqlError> =>
  Effect.acquireUseRelease(
    worker.keeper.keep(claim),
    (lease) => {
      const reportLost = (reason: string) =>
        Effect.as(worker.emit({ _tag: "Lost", card: lease.card, reason }), undefined)
      const settled = Effect.flatMap(runUnlessStopping(worker, lease), (outcome) => settle(worker, lease, outcome))
      return settled.pipe(
        Effect.catchTags({
          ClaimLost: ({ message }) => reportLost(message),
          CardIsDone: ({ message }) => reportLost(message),
          CardNotFound: ({ message }) => reportLost(message)
        }),
        // Any other rejection is a defect of this program.
        Effect.catchTags({ CardIsClaimed: Effect.die, CommandIdConflict: Effect.die, InvalidInput: Effect.die }),
        // Only `shutDown` interrupts this, after its last retries.
        Effect.onInterrupt(() => reportLost("the worker stopped while the database was unavailable"))
      )
    },
    (lease) => worker.keeper.release(lease)
  )

/** How a handler ended: by itself, or for the reason for which it was stopped. */
type HandlerOutcome = { readonly _tag: "Ended"; readonly exit: Exit.Exit<unknown, unknown> } | StopReason

const runUnlessStopping = (worker: WorkerState, lease: Lease): Effect.Effect<HandlerOutcome> =>
  Effect.suspend(() => {
    if (Deferred.isDoneUnsafe(worker.stopping)) return Effect.succeed({ _tag: "NotStarted" })
    worker.leases.add(lease)
    return Effect.onExitPrimitive(runHandler(worker, lease), () => {
      worker.leases.delete(lease)
      return undefined
    })
  })

/** Runs the handler as soon as a slot is free, and interrupts it when the lease is stopped. */
const runHandler = Effect.fnUntraced(function* (worker: WorkerState, lease: Lease): Effect.fn.Return<HandlerOutcome> {
  let ended: Exit.Exit<unknown, unknown> | undefined
  const start = Effect.suspend(() => {
    if (lease.stopped !== undefined) return Effect.interrupt
    lease.hasStarted = true
    return Effect.onExitPrimitive(
      Effect.suspend(() => worker.handler(lease.card)),
      (exit) => {
        ended = exit
        return undefined
      }
    )
  })
  const fiber = yield* Effect.forkChild(Semaphore.withPermit(worker.slots, start), { startImmediately: true })
  lease.interrupt = () => fiber.interruptUnsafe()
  if (lease.stopped !== undefined) lease.interrupt()
  const exit = yield* Fiber.await(fiber)
  lease.interrupt = undefined
  // The handler may have succeeded all the same: the backlog decides whether its result counts.
  if (lease.stopped !== undefined && !(ended !== undefined && Exit.isSuccess(ended))) return lease.stopped
  return { _tag: "Ended", exit: ended ?? exit }
})

/**
 * Records in the backlog how a handler ended, and retries for as long as the database is unavailable. Each command has an id,
 * so a command that was carried out without a response is not carried out twice. Returns the card that the completion
 * claimed, if any.
 */
const settle = Effect.fnUntraced(function* (worker: WorkerState, lease: Lease, outcome: HandlerOutcome) {
  switch (outcome._tag) {
    case "Ended":
      if (Exit.isSuccess(outcome.exit)) return yield* complete(worker, lease, outcome.exit.value)
      yield* failAttempt(worker, lease, describeFailure(outcome.exit.cause))
      break
    case "Lost":
      yield* worker.emit({ _tag: "Lost", card: lease.card, reason: outcome.reason })
      break
    case "NotStarted":
      yield* release(worker, lease, "The worker stopped before it started the card.")
      break
    case "GraceExpired":
      yield* release(worker, lease, "The worker stopped before it finished the card.")
  }
  return undefined
})

/** The actor and a new command id: however often the command is sent, it is carried out once. */
const identifyCommand = ({ actor }: WorkerSettings) => ({ actor, commandId: randomUUID() })

const complete = Effect.fnUntraced(
  function* (worker: WorkerState, lease: Lease, result: unknown) {
    const { backlog, emit, settings } = worker
    const { card, token } = lease
    const { choice, maxCards, owner, ttlSeconds } = settings
    const claimsNext = !Deferred.isDoneUnsafe(worker.stopping) && worker.claimedCards < maxCards
    if (claimsNext) worker.claimedCards++
    const requestedAt = yield* Clock.monotonicTimeNanos
    const completion = {
      id: card.id,
      token,
      // The backlog checks whether it is JSON.
      result: (result ?? null) as null,
      ...identifyCommand(settings)
    }
    const sendCompletion = backlog.complete(
      claimsNext ? { claimNext: { owner, ttlSeconds, ...choice }, ...completion } : completion
    )
    const { attempts, madeClaimable, next } = yield* retryWhileUnavailable(worker, sendCompletion).pipe(
      Effect.tapCause(() => Effect.sync(() => (worker.claimedCards -= claimsNext ? 1 : 0)))
    )
    if (claimsNext && next === null) worker.claimedCards--
    // Completing a done card returns it unchanged, whichever worker completed it.
    yield* emit(
      attempts === card.attempts
        ? { _tag: "Completed", card, madeClaimable }
        : { _tag: "Lost", card, reason: "another worker claimed and completed it meanwhile" }
    )
    return next === null ? undefined : ({ card: next, requestedAt } satisfies NewClaim)
  },
  (completing, worker, lease) =>
    Effect.catchTag(completing, "InvalidInput", ({ problem }) =>
      Effect.as(failAttempt(worker, lease, `its result cannot be stored: ${problem}`), undefined)
    )
)

const failAttempt = Effect.fnUntraced(function* (worker: WorkerState, lease: Lease, cause: string) {
  const { backlog, emit, settings } = worker
  const { card, token } = lease
  const { id } = card
  const reason = `Attempt ${card.attempts} failed: ${cause}`
  if (card.attempts < settings.maxAttempts) {
    const retryAfterSeconds = yield* chooseRetryDelay(card.attempts, settings)
    yield* retryWhileUnavailable(
      worker,
      backlog.release({ ...identifyCommand(settings), id, token, reason, retryAfterSeconds })
    )
    return yield* emit({ _tag: "Failed", card, reason, retryAfterSeconds })
  }
  yield* retryWhileUnavailable(worker, backlog.block({ ...identifyCommand(settings), id, token, reason }))
  return yield* emit({ _tag: "Blocked", card, reason })
})

const release = Effect.fnUntraced(function* (worker: WorkerState, lease: Lease, reason: string) {
  const { backlog, emit, settings } = worker
  const { card, token } = lease
  yield* retryWhileUnavailable(worker, backlog.release({ ...identifyCommand(settings), id: card.id, token, reason }))
  yield* emit({ _tag: "Released", card, reason })
})

/**
 * Returns after how many whole seconds to retry after attempt 1, 2 …: the delay doubles up to a maximum. The result is
 * between half of the delay and all of it, at random, so that cards that failed together are not retried together.
 */
const chooseRetryDelay = (
  attempt: number,
  { maxRetryAfterSeconds, retryAfterSeconds }: WorkerSettings
): Effect.Effect<number> => {
  const delay = Math.min(maxRetryAfterSeconds, retryAfterSeconds * 2 ** (attempt - 1))
  return Effect.map(Random.nextBetween(0.5, 1), (fraction) => Math.ceil(delay * fraction))
}

/** Maximum characters of a failure that are stored: enough to recognize it, and far below the limit of a reason. */
const maxFailureLength = 2_000

/** Control characters except line breaks and tabs. */
const unprintable = /[^\P{Cc}\n\t]/gu

/**
 * Describes why an attempt failed, as text that is stored with the card: without tokens, passwords and content of database
 * rows. A long text keeps its beginning and its end.
 */
const describeFailure = (cause: Cause.Cause<unknown>): string => {
  if (Cause.hasInterruptsOnly(cause)) return "the handler interrupted itself"
  const text = printable(Cause.squash(cause))
  if (text.length <= maxFailureLength) return text
  const half = maxFailureLength / 2
  return `${text.slice(0, half).toWellFormed()} … ${text.slice(-half).toWellFormed()}`
}

const printable = (error: unknown): string => {
  const text = redactSecrets(errorText(error)).toWellFormed().replace(unprintable, "").trim()
  return text === "" ? "the handler gave no reason" : text
}

const errorText = (error: unknown): string => {
  try {
    if (typeof error === "string") return error
    if (SqlError.isSqlError(error)) return databaseErrorText(error)
    if (error instanceof Error) {
      return error.message === "" ? error.name : error.message
    }
    return JSON.stringify(sanitize(error)) ?? String(error)
  } catch {
    return "the handler failed with an error that cannot be shown"
  }
}
