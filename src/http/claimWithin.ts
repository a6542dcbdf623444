import { Clock, Effect, Option } from "effect"
import { type BacklogService, type Card, type Input, InvalidInput } from "../index.ts"

type Backlog = BacklogService["Service"]

/** Waits for a card that a claim may find, and says whether there may be one. */
export type AwaitClaimable = Backlog["awaitClaimable"]

/**
 * Claims a card, waiting for one `waitSeconds` at most. Waiting holds no connection of the database. Whether a claim with
 * a `commandId` found nothing is kept, as every answer is: it looks before it claims, and of those who race for a card the
 * one who comes too late has his answer.
 */
export const claimWithin = Effect.fnUntraced(function* (
  { claim }: Backlog,
  awaitClaimable: AwaitClaimable,
  input: Input<"Claim">,
  waitSeconds: number
) {
  if (waitSeconds === 0) return yield* claim(input)
  if (input.id !== undefined) {
    return yield* new InvalidInput({
      problem: "the query: wait is for the best claimable card, and the claim names one"
    })
  }
  const { minimumPriority, phase } = input
  const end = (yield* Clock.currentTimeMillis) + waitSeconds * 1000
  if (input.commandId !== undefined) {
    yield* awaitClaimable({ minimumPriority, phase, waitSeconds })
    return yield* claim(input)
  }
  for (;;) {
    const claimed = yield* claim(input)
    const left = Math.ceil((end - (yield* Clock.currentTimeMillis)) / 1000)
    if (Option.isSome(claimed) || left <= 0) return claimed
    if (!(yield* awaitClaimable({ minimumPriority, phase, waitSeconds: left }))) return Option.none<Card>()
  }
})
