import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { inTransaction } from "../../sql/inTransaction.ts"
import { BacklogService } from "../../index.ts"
import { agentTool } from "../AgentTool.ts"
import { cardSummary } from "../cardAnswer.ts"
import { ownClaim } from "../ownClaims.ts"
import { claim, text } from "../parameters.ts"
import { words } from "../words.ts"

export const block = agentTool(
  "backlog_block",
  {
    about: "Set a card that you hold aside: nobody can claim it until an orchestrator makes it ready.",
    takes: { ...claim, reason: text("What has to happen first") }
  },
  Effect.fnUntraced(function* ({ id, reason, token }, agent) {
    yield* ownClaim(agent, { id, token })
    const backlog = yield* BacklogService
    const { actor } = agent
    // Whose claim is over must not end that of the next; and nobody gets the card between the two.
    const card = yield* inTransaction(yield* SqlClient.SqlClient)(
      Effect.andThen(backlog.release({ id, token, actor }), backlog.block({ id, reason, actor }))
    )
    return { text: words`${card.id} is blocked; you do not hold it any more.`, data: cardSummary(card, agent) }
  })
)
