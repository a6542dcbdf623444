import { Effect, Stream } from "effect"
import { AuditService, CardId, EventOptions, parseEventType } from "../../index.ts"
import { decodeInput } from "../../services/decodeInput.ts"
import { encodeEvent, type StreamOutput } from "../CommandOutput.ts"
import { defineCommand } from "../defineCommand.ts"
import { describeEvent, formatEvents, makeHistoryDescriber } from "../describeEvent.ts"
import { Actor, idArgument, integerFlag, switchFlag, textFlag } from "../flags.ts"

export const eventsCommand = defineCommand(
  "events",
  {
    description:
      "Lists the events of the backlog by position. With --follow it continues with new events until it is interrupted, and --json prints a document for each event, on its own line. Here --actor is a filter: only this actor's events are listed.",
    summary: "List the backlog's events, or follow them",
    examples: [
      { command: "backlog events --after 1200 --type CardCompleted" },
      { command: "backlog events --actor worker-1 --card build" },
      { command: "backlog events --follow --json", description: "Prints a document for each new event" }
    ]
  },
  {
    after: integerFlag("after", "Only events after this position. Defaults to 0", "POSITION"),
    card: textFlag("card", "Only events of this card", "ID"),
    type: textFlag(
      "type",
      "Only events of this type, such as CardClaimed. A type unknown to this program must occur in the log",
      "TYPE"
    ),
    follow: switchFlag("follow", "Continue with new events")
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
      "Lists all events of a card in order: when each happened and was recorded, its actor, its correlation and causation, and its redacted parts.",
    summary: "List a card's events",
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
