import { Effect, Option, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { requireValidToken } from "../../http/Caller.ts"
import { BacklogService, type Card, CardNotFound } from "../../index.ts"
import { requireOwnClaim } from "../Agent.ts"
import { cardLine, cardSummary, lines, agentText } from "../AgentText.ts"
import { agentTool, cardParameter, claimParameters, oneOf, string } from "../AgentTool.ts"
import { inTransaction } from "../../sql/inTransaction.ts"

export const blockTool = agentTool(
  "backlog_block",
  {
    description: "Set a card that you hold aside: nobody can claim it until an orchestrator makes it ready.",
    parameters: { ...claimParameters, reason: string("What has to happen first") }
  },
  Effect.fnUntraced(function* ({ id, reason, token }, agent) {
    yield* requireOwnClaim(agent, { id, token })
    const backlog = yield* BacklogService
    const { actor } = agent
    // Whose claim is over must not end that of the next; and nobody gets the card between the two.
    const card = yield* inTransaction(yield* SqlClient.SqlClient)(
      Effect.andThen(backlog.release({ id, token, actor }), backlog.block({ id, reason, actor }))
    )
    return { text: agentText`${card.id} is blocked; you do not hold it any more.`, data: cardSummary(card, agent) }
  })
)

export const setStatusTool = agentTool(
  "backlog_set_status",
  {
    description: "Make a card ready again (unblocks, reopens, takes it from its holder), or block it. Ends any claim.",
    parameters: {
      ...cardParameter,
      status: oneOf(["ready", "blocked"]),
      reason: Schema.optional(string())
    },
    isDestructive: true,
    isIdempotent: true,
    showsCardText: true
  },
  Effect.fnUntraced(function* ({ id, reason, status }, agent) {
    const backlog = yield* BacklogService
    const found = yield* backlog.get(id)
    if (Option.isNone(found)) return yield* new CardNotFound({ id: id as Card["id"] })
    yield* requireValidToken
    const command = { id, actor: agent.actor }
    if (status === "blocked") yield* backlog.block({ ...command, reason })
    else if (found.value.status === "blocked") yield* backlog.unblock({ ...command, reason })
    else if (found.value.status === "done") yield* backlog.reopen({ ...command, reason })
    else if (found.value.status === "claimed") yield* backlog.reclaim(command)
    const now = Option.getOrElse(yield* backlog.get(id), () => found.value)
    return { text: lines(cardLine(now)), data: cardSummary(now, agent) }
  })
)
