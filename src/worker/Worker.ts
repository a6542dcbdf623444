import { Clock, Deferred, Effect, Fiber, FiberSet, Option, Queue, Random } from "effect"
import type { BacklogFailure, BacklogService, ClaimedCard, InvalidInput } from "../index.ts"
import type { HandlerUnusable } from "./HandlerUnusable.ts"
import { requireEffect } from "../sql/requireEffect.ts"
import { decodeWorkerOptions, type WorkerOptions, type WorkerReport } from "./WorkerOptions.ts"
import { makeWorkerState, retryWhileUnavailable, stopHandlers, type WorkerState } from "./WorkerState.ts"
import { startCard } from "./workOnCard.ts"

/**
 * Runs a worker: it claims cards, runs the handler with each under a lease that is renewed, and completes each card with
 * what the handler returns. A failed attempt releases the card for a later retry; the last one blocks the card, with a
 * reason that lists how the attempts ended.
 *
 * **Details**
 *
 * - While nothing is claimable the worker waits, and is notified of cards that become claimable.
 * - When a lease is lost, the handler is interrupted before another worker can claim the card.
 * - While the database is unavailable, the worker retries its commands with the same command ids, so each is carried out
 *   once and no result is lost. The lease of a card whose handler has ended may expire meanwhile; the result still counts
 *   unless another worker has claimed the card.
 *
 * **When it ends**
 *
 * The worker ends when it is interrupted, when `untilEmpty` or `maxCards` applies, when the database rejects a command (`run`
 * then fails with `SqlError` or a `ServerFailure`), or when the handler cannot work (`HandlerUnusable`). In each case it claims
 * nothing more, releases the cards that it has not started, and lets handlers continue for the grace period.
 *
 * **Rejections**
 *
 * - `InvalidInput`: an option is invalid.
 * - `SqlError`: the database rejected a command.
 * - `HandlerUnusable`: the handler failed with this error, or `maxFailures` applies.
 */
export const run = Effect.fn("Worker.run")(function* <E = never, R = never>(
  options: WorkerOptions<E, R>
): Effect.fn.Return<WorkerReport, HandlerUnusable | InvalidInput | BacklogFailure, BacklogService | R> {
  const settings = yield* decodeWorkerOptions(options)
  const context = yield* Effect.context<R>()
  const call = requireEffect("handler", options.handler)
  const handler = (card: ClaimedCard) => Effect.provideContext(call(card), context)
  return yield* Effect.scoped(
    Effect.gen(function* () {
      const worker = yield* makeWorkerState(
        settings,
        handler,
        requireEffect("onEvent", options.onEvent ?? (() => Effect.void))
      )
      const claiming = yield* Effect.forkScoped(claimCards(worker))
      const done = Effect.andThen(Fiber.join(claiming), FiberSet.awaitEmpty(worker.fibers))
      yield* Effect.onError(Effect.raceFirst(done, Deferred.await(worker.failure)), () => shutDown(worker, claiming))
      return worker.report()
    })
  )
})

/** Starts no more cards, and waits for the handlers that run. */
const shutDown = Effect.fnUntraced(function* (worker: WorkerState, claiming: Fiber.Fiber<unknown, unknown>) {
  yield* Deferred.succeed(worker.stopping, undefined)
  yield* stopHandlers(worker, ({ hasStarted }) => !hasStarted, { _tag: "NotStarted" })
  yield* worker.emit({ _tag: "Stopping" })
  yield* Fiber.interrupt(claiming)
  const expireGrace = Effect.sleep(worker.settings.gracePeriodSeconds * 1000).pipe(
    Effect.andThen(stopHandlers(worker, () => true, { _tag: "GraceExpired" })),
    Effect.andThen(Deferred.succeed(worker.graceExpired, undefined)),
    Effect.andThen(Effect.sleep(lastRetries)),
    Effect.andThen(FiberSet.clear(worker.fibers)),
    Effect.andThen(Effect.never)
  )
  yield* Effect.raceFirst(FiberSet.awaitEmpty(worker.fibers), expireGrace)
})

/** Time that a stopping worker continues to retry its last commands after the grace period. */
const lastRetries = "5 seconds"

/** Interval at which a worker with `untilEmpty` checks whether any work is left, in seconds. */
const emptyCheckSeconds = 1

/** The longest delay before a worker claims again after other workers were faster. */
const maxBackOffMillis = 50

/** Claims and starts cards while there is capacity, until `maxCards` are claimed or, with `untilEmpty`, none are left. */
const claimCards = Effect.fnUntraced(function* (worker: WorkerState) {
  const { backlog, settings } = worker
  const { choice, concurrency, maxCards, pollSeconds, prefetch, untilEmpty } = settings
  let misses = 0
  while (worker.claimedCards < maxCards) {
    const capacity = Math.min(concurrency + prefetch - worker.heldCards, maxCards - worker.claimedCards)
    if (capacity <= 0) {
      yield* Queue.take(worker.capacityFreed)
      continue
    }
    const claimed = yield* claimUpTo(worker, capacity)
    if (claimed === capacity) continue
    if (untilEmpty && worker.heldCards === 0 && (yield* retryWhileUnavailable(worker, isEmpty(worker)))) return
    // Repeated misses mean that other workers claim first. A random delay reduces contention.
    misses = claimed === 0 ? misses + 1 : 0
    if (misses > 1) yield* Effect.sleep(yield* Random.nextBetween(0, maxBackOffMillis))
    const waitSeconds = untilEmpty ? emptyCheckSeconds : pollSeconds
    const awaitCard = Effect.asVoid(retryWhileUnavailable(worker, backlog.awaitClaimable({ ...choice, waitSeconds })))
    yield* untilEmpty ? Effect.raceFirst(awaitCard, Queue.take(worker.capacityFreed)) : awaitCard
  }
})

/**
 * Whether each card that matches the filter is done, is blocked, or waits for a card that is blocked, does not exist, or does
 * not match.
 */
const isEmpty = ({ backlog, settings }: WorkerState) =>
  Effect.map(
    backlog.whyNothingClaimable(settings.choice),
    ({ reason }) => reason !== "Claimable" && reason !== "Claimed" && reason !== "Deferred"
  )

/**
 * Claims and starts at most `limit` cards, and returns how many. It runs in one of the worker's fibers. Cards that are
 * claimed while the worker stops are still started, which releases them. The command has no id, because an id would leave a
 * receipt for every claim that finds nothing. A claim whose response is lost ends when its lease expires.
 */
const claimUpTo = Effect.fnUntraced(function* (worker: WorkerState, limit: number) {
  const { backlog, settings } = worker
  const { actor, choice, maxAttempts, owner, ttlSeconds } = settings
  const input = { actor, owner, ttlSeconds, maxAttempts, ...choice }
  const count = (cards: number) => {
    worker.heldCards += cards
    worker.claimedCards += cards
  }
  const claim = Effect.gen(function* () {
    const { cards, requestedAt } = yield* retryWhileUnavailable(
      worker,
      Effect.gen(function* () {
        const before = yield* Clock.monotonicTimeNanos
        const found =
          limit === 1 ? Option.toArray(yield* backlog.claim(input)) : yield* backlog.claimMany({ ...input, limit })
        return { cards: found, requestedAt: before }
      })
    )
    count(cards.length - limit)
    yield* Effect.forEach(cards, (card) => startCard(worker, { card, requestedAt }), { discard: true })
    return cards.length
  }).pipe(Effect.catchTags({ CommandIdConflict: Effect.die }))
  count(limit)
  const giveUp = Effect.andThen(Deferred.await(worker.graceExpired), Effect.interrupt)
  return yield* Fiber.join(yield* FiberSet.run(worker.fibers, Effect.raceFirst(claim, giveUp)))
})
