import { Effect } from "effect"
import { BacklogService } from "../../index.ts"
import { agentTool } from "../AgentTool.ts"
import { cardSummary } from "../cardAnswer.ts"
import { ownClaim } from "../ownClaims.ts"
import { claim, ttl } from "../parameters.ts"
import { instant } from "../words.ts"

export const renew = agentTool(
  "backlog_renew",
  {
    about: "Extend your lease, from now on. Do it before the lease ends.",
    takes: { ...claim, ...ttl },
    repeatable: true
  },
  Effect.fnUntraced(function* (input, agent) {
    yield* ownClaim(agent, input)
    const card = yield* (yield* BacklogService).renew({ ...input, actor: agent.actor })
    const until = card.claimExpiresAt === null ? "" : ` until ${instant(card.claimExpiresAt)}`
    return {
      text: `You hold ${card.id} for ${card.claimTtlSeconds} more seconds${until}; the token is still ${card.claimToken}.`,
      data: cardSummary(card, agent)
    }
  })
)
