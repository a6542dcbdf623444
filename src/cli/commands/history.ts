import { Effect, Schema, Stream } from "effect"
import { AuditService, CardId, RecordedEvent } from "../../index.ts"
import { decodeInput } from "../../services/decodeInput.ts"
import { describeHistory } from "../describeEvent.ts"
import { idArgument } from "../flags.ts"
import type { Page } from "../Page.ts"
import { reply } from "../Reply.ts"
import { table } from "../table.ts"
import { moment } from "../times.ts"
import { verb } from "../verb.ts"

export const history = verb(
  "history",
  {
    about: "Everything that happened to a card, first to last, with who did it.",
    brief: "What happened to a card",
    examples: [{ command: "backlog history build" }]
  },
  { id: idArgument() },
  Effect.fnUntraced(function* (flags) {
    const id = yield* decodeId(flags.id)
    return Effect.gen(function* () {
      const audit = yield* AuditService
      const events = yield* Stream.runCollect(audit.history(id))
      return reply(
        () => encode(events),
        (page) => describe(events, page)
      )
    })
  })
)

const decodeId = decodeInput(CardId)
const encode = Schema.encodeSync(Schema.Array(RecordedEvent))

const describe = (events: ReadonlyArray<RecordedEvent>, page: Page): string => {
  const words = describeHistory(events)
  return table(
    [
      { title: "VERSION", text: ({ event }) => String(event.version), align: "right", paint: () => page.dim },
      { title: "WHEN", text: ({ event }) => moment(event.occurredAt), paint: () => page.dim },
      { title: "WHO", text: ({ event }) => event.actor, atLeast: 8, paint: () => page.bold },
      { title: "WHAT", text: ({ what }) => what }
    ],
    events.map((event, index) => ({ event, what: words[index] ?? "" })),
    page
  ).join("\n")
}
