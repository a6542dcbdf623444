import { Effect, Option, Schema } from "effect"
import { AuditService, BacklogService, type Card, type CardAt, CardId, CardNotFound, Explanation } from "../../index.ts"
import { decodeInput } from "../../services/decodeInput.ts"
import { encodeCard } from "../CommandOutput.ts"
import { defineCommand } from "../defineCommand.ts"
import { describeCard, describeCurrentCard, describeExplanation } from "../describeCard.ts"
import { idArgument } from "../flags.ts"
import { atFlag, describeCardMoment, parseCardMoment } from "../moments.ts"
import type { TextStyle } from "../terminalText.ts"

export const showCommand = defineCommand(
  "show",
  {
    description:
      "Shows a card's fields, and why it can or cannot be claimed. With --at it shows the card at that moment.",
    summary: "Show a card",
    examples: [
      { command: "backlog show design" },
      { command: "backlog show design --at 2026-01-22T12:00:00Z", description: "At a moment in the past" },
      { command: "backlog show -- -x", description: "An id that begins with -" }
    ]
  },
  { id: idArgument(), at: atFlag("momentOrVersion") },
  Effect.fnUntraced(function* (flags) {
    const id = yield* decodeId(flags.id)
    const at = yield* parseCardMoment(flags.at)
    return Effect.gen(function* () {
      const found =
        at === undefined ? yield* (yield* BacklogService).get(id) : yield* (yield* AuditService).cardAt(id, at)
      if (Option.isNone(found)) return yield* new CardNotFound({ id })
      const card = found.value
      return {
        data: () => encodeCard(card),
        text: (style: TextStyle) =>
          at === undefined ? describeCurrentCard(card, style) : describeCardAt(card, at, style)
      }
    })
  })
)

const decodeId = decodeInput(CardId)

const describeCardAt = Effect.fnUntraced(function* (card: Card, at: typeof CardAt.Type, style: TextStyle) {
  const explanation = yield* (yield* AuditService).explainAt(card.id, at)
  return `${yield* describeCardMoment(card, at)}\n\n${describeCard(card, explanation, style)}`
})

export const explainCommand = defineCommand(
  "explain",
  {
    description:
      "Explains why a card can or cannot be claimed: its unmet dependencies, its claim's holder and expiry, or why it is blocked. With --at it explains the state at that moment.",
    summary: "Explain why a card can or cannot be claimed",
    examples: [
      { command: "backlog explain build" },
      { command: "backlog explain build --at v2", description: "After the card's second event" }
    ]
  },
  { id: idArgument(), at: atFlag("momentOrVersion") },
  Effect.fnUntraced(function* (flags) {
    const id = yield* decodeId(flags.id)
    const at = yield* parseCardMoment(flags.at)
    return Effect.gen(function* () {
      const explanation =
        at === undefined ? yield* (yield* BacklogService).explain(id) : yield* (yield* AuditService).explainAt(id, at)
      return {
        data: () => encodeExplanation(explanation),
        text: (style: TextStyle) =>
          at === undefined
            ? Effect.succeed(describeExplanation(explanation, style))
            : describeExplanationAt(explanation, at, style)
      }
    })
  })
)

const encodeExplanation = Schema.encodeSync(Explanation)

const describeExplanationAt = Effect.fnUntraced(function* (
  explanation: Explanation,
  at: typeof CardAt.Type,
  style: TextStyle
) {
  const { id } = explanation
  const card = yield* (yield* AuditService).cardAt(id, at)
  const asOf = Option.isNone(card) ? "" : `${yield* describeCardMoment(card.value, at)}\n\n`
  return `${asOf}${describeExplanation(explanation, style)}`
})
