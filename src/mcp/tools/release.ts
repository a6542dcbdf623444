import { Effect, Schema } from "effect"
import { BacklogService } from "../../index.ts"
import { agentTool } from "../AgentTool.ts"
import { cardSummary } from "../cardAnswer.ts"
import { ownClaim } from "../ownClaims.ts"
import { claim, text, whole } from "../parameters.ts"
import { moment, words } from "../words.ts"

export const release = agentTool(
  "backlog_release",
  {
    about: "Give a card that you hold back unfinished.",
    takes: {
      ...claim,
      reason: Schema.optional(text("What the next holder should know")),
      retryAfterSeconds: Schema.optional(whole("Nobody can claim it for so long"))
    }
  },
  Effect.fnUntraced(function* (input, agent) {
    yield* ownClaim(agent, input)
    const card = yield* (yield* BacklogService).release({ ...input, actor: agent.actor })
    const said =
      card.notBefore === null
        ? words`${card.id} is given back.`
        : words`${card.id} is given back, not to be claimed before ${moment(card.notBefore)}.`
    return { text: said, data: cardSummary(card, agent) }
  })
)
