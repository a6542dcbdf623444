import { Effect, Schema } from "effect"
import type { Card } from "../../src/index.ts"
import { Worker } from "../../src/worker/index.ts"

class NoPaper extends Schema.TaggedError<NoPaper>()("NoPaper", { message: Schema.String }) {}

const print = Effect.fn("print")(function* (card: Card) {
  if (card.attempts === 1) return yield* new NoPaper({ message: "no paper in tray 1" })
  return { pages: card.title.length }
})

export const work = Worker.run({
  owner: "printer-1",
  handler: print,
  concurrency: 4,
  retryAfterSeconds: 1,
  untilEmpty: true,
  onEvent: (event) => (event._tag === "Failed" ? Effect.logWarning(event.card.id, event.reason) : Effect.void)
})
