import { Effect } from "effect"
import { BacklogService, type Card, type ClaimFilter } from "../index.ts"
import type { Agent } from "./Agent.ts"
import type { Told } from "./AgentTool.ts"
import { cardData, cardText } from "./cardAnswer.ts"
import { outlookData, outlookText } from "./outlook.ts"
import { lines, words } from "./words.ts"

/** Cards that an agent holds now, and what it has to know to work on them. */
export const claimedAnswer = (cards: ReadonlyArray<Card>, agent: Agent): Told => ({
  text: lines(
    ...cards.flatMap((card) => [
      words`You hold ${card.id} with token ${card.claimToken ?? 0}, for ${card.claimTtlSeconds ?? 0} seconds.`,
      cardText(card)
    ]),
    words`Renew before a lease ends; complete or release with the token.`
  ),
  data: { claimed: cards.map((card) => cardData(card, agent)) }
})

/** That there was nothing to claim, why, and when to come back. */
export const nothingAnswer = Effect.fnUntraced(function* (choice: ClaimFilter, commandId: string | undefined) {
  // The command may have been carried out long ago: what is now would say nothing of it.
  if (commandId !== undefined) {
    return {
      text: words`There was nothing to claim when this command was carried out. To try again, give another commandId.`,
      data: { claimed: [] }
    }
  }
  const outlook = yield* (yield* BacklogService).whyNothingClaimable(choice)
  return { text: outlookText(outlook, choice), data: { claimed: [], why: outlookData(outlook) } }
})
