import { Effect } from "effect"
import { BacklogService, type Card } from "../index.ts"
import type { Agent } from "./Agent.ts"

/**
 * Claims in one go, and gives back what was claimed when the call was cancelled meanwhile: nobody would hear of it, and
 * the card would wait for its lease to end. A claim under a `commandId` stays: asking again gets it.
 */
export const heldOnlyIfHeard = <A, E, R>(
  claim: Effect.Effect<A, E, R>,
  cardsOf: (claimed: A) => ReadonlyArray<Card>,
  agent: Agent,
  commandId: string | undefined
): Effect.Effect<A, E, R | BacklogService> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.tap(claim, (claimed) => {
      const cards = commandId === undefined ? cardsOf(claimed) : []
      return Effect.onInterrupt(restore(Effect.yieldNow), () => giveBack(cards, agent))
    })
  )

const giveBack = (cards: ReadonlyArray<Card>, { actor }: Agent) =>
  Effect.forEach(
    cards,
    ({ claimToken, id }) =>
      Effect.flatMap(BacklogService, (backlog) =>
        claimToken === null
          ? Effect.void
          : backlog.release({ id, token: claimToken, actor, reason: "The call that claimed it was cancelled." })
      ),
    { discard: true }
  ).pipe(Effect.catchCause((cause) => Effect.logWarning("A cancelled claim could not be given back.", cause)))
