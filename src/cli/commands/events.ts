import { Effect, Stream } from "effect"
import { encodeEvent, type StreamOutput } from "../CommandOutput.ts"
import { describeEvent, formatEvents, makeHistoryDescriber } from "../describeEvent.ts"
import { Actor, idArgument, switchFlag, textFlag, integerFlag } from "../flags.ts"
import { defineCommand } from "../defineCommand.ts"
import { AuditService, CardId, EventOptions, parseEventType } from "../../index.ts"
import { decodeInput } from "../../services/decodeInput.ts"

export const eventsCommand = defineCommand(
  "events",
  {
    description:
      "What happened in the whole backlog, in the order of positions. With --follow it goes on with what happens from now on, until it is interrupted, and --json then gives each event as a document on a line of its own. Here, --actor does not say who asks: only events that this actor caused are shown.",
    summary: "What happened in the backlog, and what happens",
    examples: [
      { command: "backlog events --after 1200 --type CardCompleted" },
      { command: "backlog events --actor worker-1 --card build" },
      { command: "backlog events --follow --json", description: "A document for each event, as it comes" }
    ]
  },
  {
    after: integerFlag("after", "Only events after this position (default: all)", "POSITION"),
    card: textFlag("card", "Only events of this card", "ID"),
    type: textFlag(
      "type",
      "Only events of this type, such as CardClaimed; a type that only a newer program knows must occur in the log",
      "TYPE"
    ),
    follow: switchFlag("follow", "Go on with what happens from now on")
  },
  Effect.fnUntraced(function* ({ after, card, follow, type }) {
    const options = {
      after,
      cardId: card,
      type: type === undefined ? undefined : parseEventType(type),
      actor: yield* Actor,
      follow
    }
    yield* decodeOptions(options)
    return Effect.map(AuditService, (audit) => {
      const found = audit.events(options)
      return {
        items: Stream.map(found, (event) => encodeEvent(event)),
        documents: follow ? "each" : "one",
        text: (style) =>
          Stream.orElseIfEmpty(
            formatEvents(found, (event) => describeEvent(event), style, "ofAll"),
            () => Stream.succeed("No events.\n")
          )
      } satisfies StreamOutput<Stream.Error<typeof found>>
    })
  })
)

const decodeOptions = decodeInput(EventOptions)

export const historyCommand = defineCommand(
  "history",
  {
    description:
      "Everything that happened to a card, first to last: when it happened and when it was recorded, who did it, what belongs together, and which parts were redacted.",
    summary: "What happened to a card",
    examples: [{ command: "backlog history build" }]
  },
  { id: idArgument() },
  Effect.fnUntraced(function* (flags) {
    const id = yield* decodeId(flags.id)
    return Effect.map(AuditService, (audit) => {
      const found = audit.history(id)
      return {
        items: Stream.map(found, (event) => encodeEvent(event)),
        documents: "one",
        text: (style) => formatEvents(found, makeHistoryDescriber(), style, "ofOneCard")
      } satisfies StreamOutput<Stream.Error<typeof found>>
    })
  })
)

const decodeId = decodeInput(CardId)
