import { Effect } from "effect"
import { BacklogService } from "../../index.ts"
import { agentTool } from "../AgentTool.ts"
import { cardSummary } from "../cardAnswer.ts"
import { ownClaim } from "../ownClaims.ts"
import { claim, ttl } from "../parameters.ts"
import { joined, moment, words } from "../words.ts"

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
    const held = joined(" until ", [
      words`You hold ${card.id} for ${card.claimTtlSeconds ?? 0} more seconds`,
      card.claimExpiresAt === null ? undefined : moment(card.claimExpiresAt)
    ])
    return {
      text: words`${held}; the token is still ${card.claimToken ?? 0}.`,
      data: cardSummary(card, agent)
    }
  })
)
