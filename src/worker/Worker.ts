import { Clock, Deferred, Duration, Effect, Fiber, FiberSet, Option, Queue, Random } from "effect"
import type { SqlError } from "effect/sql"
import { type BacklogService, type Card, InvalidInput } from "../index.ts"
import { decodeWorkerOptions, type WorkerOptions, type WorkerReport } from "./WorkerOptions.ts"
import { type Crew, makeCrew, stop, whileUnavailable } from "./WorkerState.ts"
import { beginWith } from "./workOnCard.ts"

/** How often it is asked whether there is anything left to do, where the worker ends when there is not, in seconds. */
const lookAgainSeconds = 1

/** How long at most it lets others go first that are faster. */
const longestStepBackMillis = 50

/** Claims cards as there is room for them, and begins with each, until as many are claimed as wanted, or nothing is left. */
const claimCards = Effect.fnUntraced(function* (crew: Crew) {
  const { backlog, settings, tell } = crew
  const { choice, concurrency, maxCards, pollSeconds, prefetch, untilEmpty } = settings
  let misses = 0
  while (crew.claimed < maxCards) {
    const room = Math.min(concurrency + prefetch - crew.held, maxCards - crew.claimed)
    if (room <= 0) {
      yield* Queue.take(crew.room)
      continue
    }
    const claimed = yield* claimSome(crew, room)
    if (claimed === room) continue
    if (untilEmpty && crew.held === 0 && (yield* whileUnavailable(nothingIsLeft(crew), tell))) return
    // Others are faster, again and again: they need not be pressed.
    misses = claimed === 0 ? misses + 1 : 0
    if (misses > 1) yield* Effect.sleep(yield* Random.nextBetween(0, longestStepBackMillis))
    const waitSeconds = untilEmpty ? lookAgainSeconds : pollSeconds
    const heard = Effect.asVoid(whileUnavailable(backlog.awaitClaimable({ ...choice, waitSeconds }), tell))
    yield* untilEmpty ? Effect.raceFirst(heard, Queue.take(crew.room)) : heard
  }
})

/** Whether neither work nor time can make anything claimable that is chosen among. */
const nothingIsLeft = ({ backlog, settings }: Crew) =>
  Effect.map(
    backlog.whyNothingClaimable(settings.choice),
    ({ reason }) => reason !== "Claimable" && reason !== "Claimed" && reason !== "Deferred"
  )

/**
 * Claims cards, so many at most, and begins with them; answers how many. In a fiber of the crew: what is being claimed when
 * the worker ends is begun with all the same, and so given back. Without an id of its own, which would leave a receipt
 * whenever somebody else is faster: a claim whose answer is lost ends with its lease.
 */
const claimSome = Effect.fnUntraced(function* (crew: Crew, room: number) {
  const { backlog, settings, tell } = crew
  const { actor, choice, owner, ttlSeconds } = settings
  const wish = { actor, owner, ttlSeconds, ...choice }
  const count = (cards: number) => {
    crew.held += cards
    crew.claimed += cards
  }
  const claimed = Effect.gen(function* () {
    const { asked, cards } = yield* whileUnavailable(
      Effect.gen(function* () {
        const before = yield* Clock.monotonicTimeNanos
        const found =
          room === 1 ? Option.toArray(yield* backlog.claim(wish)) : yield* backlog.claimMany({ ...wish, limit: room })
        return { asked: before, cards: found }
      }),
      tell
    )
    count(cards.length - room)
    yield* Effect.forEach(cards, (card) => beginWith(crew, { card, asked }), { discard: true })
    return cards.length
  }).pipe(Effect.catchTags({ CommandIdConflict: Effect.die }))
  count(room)
  const tooLate = Effect.andThen(Deferred.await(crew.overdue), Effect.interrupt)
  return yield* Fiber.join(yield* FiberSet.run(crew.fibers, Effect.raceFirst(claimed, tooLate)))
})

/**
 * Works on cards: claims them, runs the handler with each under a lease that is renewed, and completes them with what it
 * answers. An attempt that fails gives the card back for later; the last one blocks it, with the reason.
 *
 * While there is nothing to claim it waits, and hears of cards as they come. A handler whose lease is lost is interrupted:
 * nobody else can have the card before. While the database cannot be asked it is asked again and again, with commands that
 * are carried out once, so that no result is lost; the lease of a card whose handler has ended may run out meanwhile, and its
 * result still counts unless somebody else has claimed the card.
 *
 * Goes on until it is interrupted, until `untilEmpty` or `maxCards` ends it, or until the database refuses what it asks,
 * which fails with `SqlError`. In each case it claims no more, gives back what it has not begun, and lets handlers go on for
 * the grace period. Options that are not valid fail with `InvalidInput`.
 */
export const run = Effect.fn("Worker.run")(function* <E = never, R = never>(
  options: WorkerOptions<E, R>
): Effect.fn.Return<WorkerReport, InvalidInput | SqlError.SqlError, BacklogService | R> {
  const settings = yield* decodeWorkerOptions(options)
  const gracePeriod = Duration.fromInput(options.gracePeriod ?? "10 seconds")
  if (Option.isNone(gracePeriod)) return yield* new InvalidInput({ problem: "gracePeriod is no duration" })
  const context = yield* Effect.context<R>()
  const handler = (card: Card) => Effect.provideContext(options.handler(card), context)
  return yield* Effect.scoped(
    Effect.gen(function* () {
      const crew = yield* makeCrew(settings, handler, options.onEvent ?? (() => Effect.void))
      const claiming = yield* Effect.forkScoped(claimCards(crew))
      const done = Effect.andThen(Fiber.join(claiming), FiberSet.awaitEmpty(crew.fibers))
      yield* Effect.onError(Effect.raceFirst(done, Deferred.await(crew.broken)), () =>
        end(crew, claiming, gracePeriod.value)
      )
      return crew.report()
    })
  )
})

/** Begins nothing more, and waits for what is being done. */
const end = Effect.fnUntraced(function* (
  crew: Crew,
  claiming: Fiber.Fiber<unknown, unknown>,
  gracePeriod: Duration.Duration
) {
  yield* Deferred.succeed(crew.ending, undefined)
  yield* stop(crew, ({ hasBegun }) => !hasBegun, { _tag: "NotBegun" })
  yield* crew.tell({ _tag: "Stopping" })
  yield* Fiber.interrupt(claiming)
  const timed = Effect.sleep(gracePeriod).pipe(
    Effect.andThen(stop(crew, () => true, { _tag: "Overdue" })),
    Effect.andThen(Deferred.succeed(crew.overdue, undefined)),
    Effect.andThen(Effect.never)
  )
  yield* Effect.raceFirst(FiberSet.awaitEmpty(crew.fibers), timed)
})
