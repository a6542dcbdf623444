import { Clock, Effect, Option } from "effect"
import { type BacklogService, type ClaimInput, type ClaimManyInput, InvalidInput } from "../index.ts"

type Backlog = BacklogService["Service"]

/** Waits for a card that a claim may find, and says whether there may be one. */
export type AwaitClaimable = Backlog["awaitClaimable"]

/**
 * Claims a card, waiting for one `waitSeconds` at most. Waiting holds no connection of the database. Whether a claim with
 * a `commandId` found nothing is kept, as every answer is: it looks before it claims, and of those who race for a card the
 * one who comes too late has his answer.
 */
export const claimOrWait = Effect.fnUntraced(function* <A, E, E2>(
  claim: (input: ClaimInput) => Effect.Effect<Option.Option<A>, E>,
  awaitClaimable: (options: Parameters<AwaitClaimable>[0]) => Effect.Effect<boolean, E2>,
  input: ClaimInput,
  waitSeconds: number
) {
  if (waitSeconds === 0) return yield* claim(input)
  if (input.id !== undefined) {
    return yield* new InvalidInput({
      problem: "the query: wait is for the best claimable card, and the claim names one"
    })
  }
  return yield* claimUntilFound(claim(input), Option.isSome, awaitClaimable, input, waitSeconds)
})

/**
 * Claims until something is found, waiting in between, `waitSeconds` in all at most; what it claimed last is the answer. A
 * claim with a `commandId` is made once, when there may be a card or the time is over.
 */
export const claimUntilFound = Effect.fnUntraced(function* <A, E, R, E2>(
  claim: Effect.Effect<A, E, R>,
  isFound: (claimed: A) => boolean,
  awaitClaimable: (options: Parameters<AwaitClaimable>[0]) => Effect.Effect<boolean, E2>,
  { commandId, minPriority, phase }: Pick<ClaimManyInput, "commandId" | "minPriority" | "phase">,
  waitSeconds: number
) {
  if (waitSeconds === 0) return yield* claim
  const end = (yield* Clock.currentTimeMillis) + waitSeconds * 1000
  if (commandId !== undefined) {
    yield* awaitClaimable({ minPriority, phase, waitSeconds })
    return yield* claim
  }
  for (;;) {
    const claimed = yield* claim
    const left = Math.ceil((end - (yield* Clock.currentTimeMillis)) / 1000)
    if (isFound(claimed) || left <= 0) return claimed
    if (!(yield* awaitClaimable({ minPriority, phase, waitSeconds: left }))) return claimed
  }
})
