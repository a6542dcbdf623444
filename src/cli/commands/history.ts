import { Effect, Stream } from "effect"
import { AuditService, CardId } from "../../index.ts"
import { decodeInput } from "../../services/decodeInput.ts"
import { historyDescriber } from "../describeEvent.ts"
import { eventLines } from "../eventTable.ts"
import { idArgument } from "../flags.ts"
import { encodeEvent, type StreamedReply } from "../Reply.ts"
import { verb } from "../verb.ts"

export const history = verb(
  "history",
  {
    about:
      "Everything that happened to a card, first to last: when it happened and when it was recorded, who did it, what belongs together, and which parts were redacted.",
    brief: "What happened to a card",
    examples: [{ command: "backlog history build" }]
  },
  { id: idArgument() },
  Effect.fnUntraced(function* (flags) {
    const id = yield* decodeId(flags.id)
    return Effect.map(AuditService, (audit) => {
      const events = audit.history(id)
      return {
        items: Stream.map(events, (event) => encodeEvent(event)),
        documents: "one",
        text: (page) => eventLines(events, historyDescriber(), page, "ofOneCard")
      } satisfies StreamedReply<Stream.Error<typeof events>>
    })
  })
)

const decodeId = decodeInput(CardId)
