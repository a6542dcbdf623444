import { Effect, Schema } from "effect"
import { BacklogService, InvalidInput, Status } from "../../index.ts"
import { agentTool } from "../AgentTool.ts"
import { cardLine, cardSummary } from "../cardAnswer.ts"
import { flag, oneOf, text, whole } from "../parameters.ts"
import { lines, words } from "../words.ts"

const usual = 20
const most = 100

export const list = agentTool(
  "backlog_list",
  {
    about: "Cards in the order in which they are claimed, in short.",
    takes: {
      status: Schema.optional(oneOf(Status.literals)),
      phase: Schema.optional(text()),
      claimable: Schema.optional(flag("Only claimable cards")),
      limit: Schema.optional(whole(`Default ${usual}, at most ${most}`)),
      after: Schema.optional(text("Go on after this id"))
    },
    reads: true,
    showsText: true
  },
  Effect.fnUntraced(function* ({ after, claimable, limit = usual, phase, status }, agent) {
    if (limit < 1 || limit > most) {
      return yield* new InvalidInput({ problem: `Expected 1 to ${most}\n  at ["limit"]` })
    }
    const found = yield* (yield* BacklogService).list({ status, phase, after, readyOnly: claimable, limit: limit + 1 })
    const cards = found.slice(0, limit)
    const last = found.length > limit ? cards.at(-1)?.id : undefined
    return {
      text: lines(
        ...cards.map(cardLine),
        cards.length === 0 ? words`There is no such card.` : undefined,
        last === undefined ? undefined : words`[There are more: go on with after=${last}]`
      ),
      data: { cards: cards.map((card) => cardSummary(card, agent)), ...(last === undefined ? {} : { after: last }) }
    }
  })
)
