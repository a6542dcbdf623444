import { Effect, Option } from "effect"
import { AuditService, BacklogService, type Card, type CardAt, CardId, CardNotFound } from "../../index.ts"
import { decodeInput } from "../../services/decodeInput.ts"
import { asOfCard } from "../asOf.ts"
import { atFlag, cardMomentOfFlag } from "../at.ts"
import { describeCard, describedCard } from "../describeCard.ts"
import { idArgument } from "../flags.ts"
import type { Page } from "../Page.ts"
import { encodeCard } from "../Reply.ts"
import { verb } from "../verb.ts"

export const show = verb(
  "show",
  {
    about:
      "Shows a card: everything about it, and what stands between it and a claim; with --at as it stood at that moment.",
    brief: "Show a card",
    examples: [
      { command: "backlog show design" },
      { command: "backlog show design --at 2026-01-22T12:00:00Z", description: "As it was then" },
      { command: "backlog show -- -x", description: "An id that begins with -" }
    ]
  },
  { id: idArgument(), at: atFlag("momentOrVersion") },
  Effect.fnUntraced(function* (flags) {
    const id = yield* decodeId(flags.id)
    const at = yield* cardMomentOfFlag(flags.at)
    return Effect.gen(function* () {
      const found =
        at === undefined ? yield* (yield* BacklogService).get(id) : yield* (yield* AuditService).cardAt(id, at)
      if (Option.isNone(found)) return yield* new CardNotFound({ id })
      const card = found.value
      return {
        data: () => encodeCard(card),
        text: (page: Page) => (at === undefined ? describedCard(card, page) : described(card, at, page))
      }
    })
  })
)

const decodeId = decodeInput(CardId)

const described = Effect.fnUntraced(function* (card: Card, at: typeof CardAt.Type, page: Page) {
  const explanation = yield* (yield* AuditService).explainAt(card.id, at)
  return `${yield* asOfCard(card, at)}\n\n${describeCard(card, explanation, page)}`
})
