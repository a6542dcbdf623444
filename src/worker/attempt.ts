import { Deferred, Effect, Exit, Semaphore } from "effect"
import type { Crew } from "./WorkerState.ts"
import type { Lease, Stopped } from "./Lease.ts"

/** How it went with a card. */
export type Attempted = { readonly _tag: "Ended"; readonly exit: Exit.Exit<unknown, unknown> } | Stopped

/** Runs the handler when it is the card's turn, and interrupts it when it must not go on. */
export const attempt = (crew: Crew, lease: Lease): Effect.Effect<Attempted> =>
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
