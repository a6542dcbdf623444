import { Deferred, Effect, FiberSet, Queue } from "effect"
import { attempt, type Attempted } from "./attempt.ts"
import type { Crew } from "./WorkerState.ts"
import { holdLease, type Lease, type NewClaim } from "./Lease.ts"
import { settle } from "./settle.ts"

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
