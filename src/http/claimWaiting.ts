import { Clock, Effect, Option } from "effect"
import { whileTokenValid } from "./Caller.ts"
import { Shutdown } from "./Shutdown.ts"
import { BacklogService, type ClaimFilter, type ClaimInput, type ClaimManyInput, InvalidInput } from "../index.ts"

type Wait = BacklogService["Service"]["awaitClaimable"]

/**
 * Makes the wait of a request. It holds no database connection, returns `false` when the server shuts down, and fails when the
 * caller's token becomes invalid.
 */
const makeWait = <Name extends "awaitClaimable" | "awaitClaimEnd">(name: Name) =>
  Effect.gen(function* () {
    const wait: (input: never) => ReturnType<Wait> = (yield* BacklogService)[name]
    const { awaitShutdown } = yield* Shutdown
    return (input: Parameters<BacklogService["Service"][Name]>[0]) =>
      whileTokenValid(Effect.raceFirst(wait(input as never), Effect.as(awaitShutdown, false)))
  })

/** Makes the wait of a request for a claimable card. */
export const makeAwaitClaimable = makeWait("awaitClaimable")

/** Makes the wait of a request for the end of a claim. */
export const makeAwaitClaimEnd = makeWait("awaitClaimEnd")

/** Claims a card, waiting for one at most `waitSeconds`. A claim that names its card cannot wait. */
export const claimOrWait = Effect.fnUntraced(function* <A, E, E2>(
  claim: (input: ClaimInput) => Effect.Effect<Option.Option<A>, E>,
  awaitClaimable: (options: Parameters<Wait>[0]) => Effect.Effect<boolean, E2>,
  input: ClaimInput,
  waitSeconds: number
) {
  if (waitSeconds === 0) return yield* claim(input)
  if (input.id !== undefined) {
    return yield* new InvalidInput({ problem: "the query: wait cannot be combined with the id of a card" })
  }
  return yield* claimUntilFound(claim(input), Option.isSome, awaitClaimable, input, waitSeconds)
})

/**
 * Claims until a claim finds a card, waiting at most `waitSeconds` in total, and returns the last outcome. With a
 * `commandId`, it sends a single claim after the wait, because an outcome is stored even when it finds nothing.
 */
export const claimUntilFound = Effect.fnUntraced(function* <A, E, R, E2>(
  claim: Effect.Effect<A, E, R>,
  isFound: (claimed: A) => boolean,
  awaitClaimable: (options: Parameters<Wait>[0]) => Effect.Effect<boolean, E2>,
  { commandId, labels, minPriority, phase, withoutLabels }: ClaimFilter & Pick<ClaimManyInput, "commandId">,
  waitSeconds: number
) {
  if (waitSeconds === 0) return yield* claim
  const filter: ClaimFilter = { labels, minPriority, phase, withoutLabels }
  const end = (yield* Clock.currentTimeMillis) + waitSeconds * 1000
  if (commandId !== undefined) {
    yield* awaitClaimable({ ...filter, waitSeconds })
    return yield* claim
  }
  for (;;) {
    const claimed = yield* claim
    const left = Math.ceil((end - (yield* Clock.currentTimeMillis)) / 1000)
    if (isFound(claimed) || left <= 0) return claimed
    if (!(yield* awaitClaimable({ ...filter, waitSeconds: left }))) return claimed
  }
})
