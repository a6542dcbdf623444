import { Effect } from "effect"
import { BacklogService } from "../../index.ts"
import { checked, commandVerb } from "../commandVerb.ts"
import { text } from "../flags.ts"
import { reply } from "../Reply.ts"
import { oneLine } from "../terminalText.ts"

export const reclaim = commandVerb(
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
      // A card that is not claimed and one that does not exist both give nothing: the second is a mistake. Before the
      // command, so that a card that does not exist yet does not use a command's id up.
      if (id !== undefined) yield* backlog.explain(id)
      const ids = yield* backlog.reclaim(input)
      return reply(
        () => ids,
        () => (ids.length === 0 ? "There was no claim to take back." : `Taken back: ${ids.map(oneLine).join(", ")}.`)
      )
    })
  })
)
