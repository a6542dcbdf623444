import { Effect, Schema } from "effect"
import { BacklogService, CardId, Explanation } from "../../index.ts"
import { decodeInput } from "../../services/decodeInput.ts"
import { describeExplanation } from "../describeExplanation.ts"
import { idArgument } from "../flags.ts"
import { reply } from "../Reply.ts"
import { verb } from "../verb.ts"

export const explain = verb(
  "explain",
  {
    about:
      "Says why a card can or cannot be claimed: what it waits for, who holds it and until when, why it is blocked.",
    brief: "Say why a card can or cannot be claimed",
    examples: [{ command: "backlog explain build" }]
  },
  { id: idArgument() },
  Effect.fnUntraced(function* (flags) {
    const id = yield* decodeId(flags.id)
    return Effect.gen(function* () {
      const backlog = yield* BacklogService
      const explanation = yield* backlog.explain(id)
      return reply(
        () => encode(explanation),
        (page) => describeExplanation(explanation, page)
      )
    })
  })
)

const decodeId = decodeInput(CardId)
const encode = Schema.encodeSync(Explanation)
