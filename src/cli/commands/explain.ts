import { Effect, Option, Schema } from "effect"
import { AuditService, BacklogService, type CardAt, CardId, Explanation } from "../../index.ts"
import { decodeInput } from "../../services/decodeInput.ts"
import { asOfCard } from "../asOf.ts"
import { atFlag, cardMomentOfFlag } from "../at.ts"
import { describeExplanation } from "../describeExplanation.ts"
import { idArgument } from "../flags.ts"
import type { Page } from "../Page.ts"
import { verb } from "../verb.ts"

export const explain = verb(
  "explain",
  {
    about:
      "Says why a card can or cannot be claimed: what it waits for, who holds it and until when, why it is blocked; with --at why that was so at that moment.",
    brief: "Say why a card can or cannot be claimed",
    examples: [
      { command: "backlog explain build" },
      { command: "backlog explain build --at v2", description: "As it was after its second event" }
    ]
  },
  { id: idArgument(), at: atFlag("momentOrVersion") },
  Effect.fnUntraced(function* (flags) {
    const id = yield* decodeId(flags.id)
    const at = yield* cardMomentOfFlag(flags.at)
    return Effect.gen(function* () {
      const explanation =
        at === undefined ? yield* (yield* BacklogService).explain(id) : yield* (yield* AuditService).explainAt(id, at)
      return {
        data: () => encode(explanation),
        text: (page: Page) =>
          at === undefined ? Effect.succeed(describeExplanation(explanation, page)) : described(explanation, at, page)
      }
    })
  })
)

const decodeId = decodeInput(CardId)
const encode = Schema.encodeSync(Explanation)

const described = Effect.fnUntraced(function* (explanation: Explanation, at: typeof CardAt.Type, page: Page) {
  const { id } = explanation
  const card = yield* (yield* AuditService).cardAt(id, at)
  const asOf = Option.isNone(card) ? "" : `${yield* asOfCard(card.value, at)}\n\n`
  return `${asOf}${describeExplanation(explanation, page)}`
})
