import { Effect, Stream } from "effect"
import { AuditService, EventOptions, parseEventType } from "../../index.ts"
import { decodeInput } from "../../services/decodeInput.ts"
import { describeEvent } from "../describeEvent.ts"
import { eventLines } from "../eventTable.ts"
import { switchFlag, text, whole } from "../flags.ts"
import { Actor } from "../globals.ts"
import { encodeEvent, type StreamedReply } from "../Reply.ts"
import { verb } from "../verb.ts"

export const events = verb(
  "events",
  {
    about:
      "What happened in the whole backlog, in the order of positions. With --follow it goes on with what happens from now on, until it is interrupted, and --json then gives each event as a document on a line of its own. Here, --actor does not say who asks: only events that this actor caused are shown.",
    brief: "What happened in the backlog, and what happens",
    examples: [
      { command: "backlog events --after 1200 --type CardCompleted" },
      { command: "backlog events --actor worker-1 --card build" },
      { command: "backlog events --follow --json", description: "A document for each event, as it comes" }
    ]
  },
  {
    after: whole("after", "Only events after this position (default: all)", "POSITION"),
    card: text("card", "Only events of this card", "ID"),
    type: text(
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
        text: (page) =>
          Stream.orElseIfEmpty(
            eventLines(found, (event) => describeEvent(event), page, "ofAll"),
            () => Stream.succeed("No events.\n")
          )
      } satisfies StreamedReply<Stream.Error<typeof found>>
    })
  })
)

const decodeOptions = decodeInput(EventOptions)
