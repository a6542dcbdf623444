import { Effect, Option } from "effect"
import { BacklogService, CardId, CardNotFound } from "../../index.ts"
import { decodeInput } from "../../services/decodeInput.ts"
import { describedCard } from "../describeCard.ts"
import { idArgument } from "../flags.ts"
import { encodeCard } from "../Reply.ts"
import { verb } from "../verb.ts"

export const show = verb(
  "show",
  {
    about: "Shows a card: everything about it, and what stands between it and a claim.",
    brief: "Show a card",
    examples: [
      { command: "backlog show design" },
      { command: "backlog show -- -x", description: "An id that begins with -" }
    ]
  },
  { id: idArgument() },
  Effect.fnUntraced(function* (flags) {
    const id = yield* decodeId(flags.id)
    return Effect.gen(function* () {
      const backlog = yield* BacklogService
      const found = yield* backlog.get(id)
      if (Option.isNone(found)) return yield* new CardNotFound({ id })
      const card = found.value
      return { data: () => encodeCard(card), text: (page) => describedCard(card, page) }
    })
  })
)

const decodeId = decodeInput(CardId)
