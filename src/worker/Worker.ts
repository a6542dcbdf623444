import { Deferred, Duration, Effect, FiberSet, Fiber, Option } from "effect"
import type { SqlError } from "effect/sql"
import { type BacklogService, type Card, InvalidInput } from "../index.ts"
import { claimCards } from "./claimCards.ts"
import { type Crew, makeCrew, stop } from "./Crew.ts"
import type { WorkerReport } from "./WorkerEvent.ts"
import { settingsOf, type WorkerOptions } from "./WorkerOptions.ts"

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
  const settings = yield* settingsOf(options)
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
  yield* crew.tell({ _tag: "Ending" })
  yield* Fiber.interrupt(claiming)
  const timed = Effect.sleep(gracePeriod).pipe(
    Effect.andThen(stop(crew, () => true, { _tag: "Overdue" })),
    Effect.andThen(Deferred.succeed(crew.overdue, undefined)),
    Effect.andThen(Effect.never)
  )
  yield* Effect.raceFirst(FiberSet.awaitEmpty(crew.fibers), timed)
})
