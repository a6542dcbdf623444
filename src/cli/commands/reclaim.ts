import { Effect } from "effect"
import { BacklogService } from "../../index.ts"
import { text } from "../flags.ts"
import { reply } from "../Reply.ts"
import { oneLine } from "../terminalText.ts"
import { checked, verb } from "../verb.ts"

export const reclaim = verb(
  "reclaim",
  {
    about:
      "Takes back every claim that has run out, or the claim on the card that --id names, run out or not. Claims that have run out are taken over without this too.",
    brief: "Take back claims",
    examples: [{ command: "backlog reclaim" }, { command: "backlog reclaim --id build" }]
  },
  { id: text("id", "The card whose claim to take back, run out or not", "ID") },
  Effect.fnUntraced(function* ({ id }) {
    const input = yield* checked("Reclaim", { id })
    return Effect.gen(function* () {
      const backlog = yield* BacklogService
      const ids = yield* backlog.reclaim(input)
      // A card that is not claimed and one that does not exist both give nothing: the second is a mistake.
      if (id !== undefined && ids.length === 0) yield* backlog.explain(id)
      return reply(
        () => ids,
        () => (ids.length === 0 ? "There was no claim to take back." : `Taken back: ${ids.map(oneLine).join(", ")}.`)
      )
    })
  })
)
