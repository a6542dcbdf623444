import { Effect, Option, Schema } from "effect"
import { requireValidToken } from "../../http/Caller.ts"
import { BacklogService, type Card, CardNotFound } from "../../index.ts"
import { requireOwnClaim } from "../Agent.ts"
import { cardLine, cardSummary, lines, agentText } from "../AgentText.ts"
import { agentTool, cardParameter, claimParameters, oneOf, string } from "../AgentTool.ts"

/**
 * Result: the summary of the card: `id`, `title`, `status`, `priority`, and if there are any `phase`, `labels`, `noteCount`,
 * `owner`, `expiresAt`, `token` (of your own claim), `attempts`, `notBefore` and `completedAt`.
 */
export const blockTool = agentTool(
  "backlog_block",
  {
    description: "Block a card that you hold. It cannot be claimed until an orchestrator makes it ready.",
    parameters: { ...claimParameters, reason: string("What must happen first") }
  },
  Effect.fnUntraced(function* ({ id, reason, token }, agent) {
    yield* requireOwnClaim(agent, { id, token })
    const card = yield* (yield* BacklogService).block({ id, token, reason, actor: agent.actor })
    return { text: agentText`${card.id} is blocked; you no longer hold it.`, data: cardSummary(card, agent) }
  })
)

/**
 * Result: the summary of the card: `id`, `title`, `status`, `priority`, and if there are any `phase`, `labels`, `noteCount`,
 * `owner`, `expiresAt`, `token` (of your own claim), `attempts`, `notBefore` and `completedAt`.
 */
export const setStatusTool = agentTool(
  "backlog_set_status",
  {
    description: "Make a card ready (unblocks, reopens, or ends its claim), or block it. Ends any claim.",
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
