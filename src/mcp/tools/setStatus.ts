import { Effect, Option, Schema } from "effect"
import { stillValid } from "../../http/Caller.ts"
import { BacklogService, type Card, CardNotFound } from "../../index.ts"
import { agentTool } from "../AgentTool.ts"
import { cardLine, cardSummary } from "../cardAnswer.ts"
import { card, oneOf, text } from "../parameters.ts"
import { lines } from "../words.ts"

export const setStatus = agentTool(
  "backlog_set_status",
  {
    about: "Make a card ready again (unblocks, reopens, takes it from its holder), or block it. Ends any claim.",
    takes: {
      ...card,
      status: oneOf(["ready", "blocked"]),
      reason: Schema.optional(text())
    },
    destroys: true,
    repeatable: true,
    showsText: true
  },
  Effect.fnUntraced(function* ({ id, reason, status }, agent) {
    const backlog = yield* BacklogService
    const found = yield* backlog.get(id)
    if (Option.isNone(found)) return yield* new CardNotFound({ id: id as Card["id"] })
    yield* stillValid
    const command = { id, actor: agent.actor }
    if (status === "blocked") yield* backlog.block({ ...command, reason })
    else if (found.value.status === "blocked") yield* backlog.unblock({ ...command, reason })
    else if (found.value.status === "done") yield* backlog.reopen({ ...command, reason })
    else if (found.value.status === "claimed") yield* backlog.reclaim(command)
    const now = Option.getOrElse(yield* backlog.get(id), () => found.value)
    return { text: lines(cardLine(now)), data: cardSummary(now, agent) }
  })
)
