import { Clock, Deferred, Effect, Fiber, FiberSet, Option, Queue, Random } from "effect"
import type { Crew } from "./Crew.ts"
import { whileUnavailable } from "./whileUnavailable.ts"
import { beginWith } from "./workOn.ts"

/** How often it is asked whether there is anything left to do, where the worker ends when there is not, in seconds. */
const lookAgainSeconds = 1

/** How long at most it lets others go first that are faster. */
const longestStepBackMillis = 50

/** Claims cards as there is room for them, and begins with each, until as many are claimed as wanted, or nothing is left. */
export const claimCards = Effect.fnUntraced(function* (crew: Crew) {
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
