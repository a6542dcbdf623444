import { Deferred, Effect, Exit, Fiber, Semaphore } from "effect"
import type { Crew } from "./Crew.ts"
import type { Lease } from "./Lease.ts"

/** How it went with a card. */
export type Attempted =
  | { readonly _tag: "Ended"; readonly exit: Exit.Exit<unknown, unknown> }
  | { readonly _tag: "Lost"; readonly reason: string }
  /** The worker ends, and has not begun with the card. */
  | { readonly _tag: "NotBegun" }
  /** The worker ends, and the handler took longer than it may. */
  | { readonly _tag: "Overdue" }

/** Runs the handler when it is the card's turn, and interrupts it when it must not go on. */
export const attempt = (crew: Crew, { card, lost }: Lease): Effect.Effect<Attempted> =>
  Effect.suspend(() => {
    let hasBegun = false
    const whenLost = Effect.map(Deferred.await(lost), (reason): Attempted => ({ _tag: "Lost", reason }))
    const whenOverdue = Effect.as(Deferred.await(crew.overdue), { _tag: "Overdue" } as const)
    const whenEnding = Effect.as(Deferred.await(crew.ending), { _tag: "NotBegun" } as const)

    const run = Effect.gen(function* () {
      hasBegun = true
      const running = yield* Effect.forkChild(Effect.suspend(() => crew.handler(card)))
      const ended = Effect.map(Fiber.await(running), (exit): Attempted => ({ _tag: "Ended", exit }))
      const first = yield* Effect.raceFirst(ended, Effect.raceFirst(whenLost, whenOverdue))
      if (first._tag === "Ended") return first
      yield* Fiber.interrupt(running)
      const last = yield* Fiber.await(running)
      // It came to its end all the same: whether that counts is for the backlog to say.
      return Exit.isSuccess(last) ? ({ _tag: "Ended", exit: last } as const) : first
    })

    const unlessBegun = Effect.filterOrElse(
      Effect.raceFirst(whenLost, whenEnding),
      () => !hasBegun,
      () => Effect.never
    )
    return Effect.raceFirst(Semaphore.withPermit(crew.places, run), unlessBegun)
  })
