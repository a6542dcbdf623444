import { Effect } from "effect"
import { BacklogService, type Card } from "../../index.ts"
import { checked, commandVerb } from "../commandVerb.ts"
import { idArgument } from "../flags.ts"
import { cardReply } from "../Reply.ts"
import { oneLine } from "../terminalText.ts"

const ends = { from: idArgument("from", "The card that waits"), to: idArgument("to", "The card that it waits for") }

const linksReply = (card: Card) =>
  cardReply(card, () =>
    card.dependsOn.length === 0
      ? `${oneLine(card.id)} depends on nothing.`
      : `${oneLine(card.id)} depends on ${card.dependsOn.map(oneLine).join(", ")}.`
  )

export const link = commandVerb(
  "link",
  {
    about: "Makes card FROM depend on card TO: it cannot be claimed before TO is done.",
    brief: "Make a card depend on another",
    examples: [{ command: "backlog link build design", description: "build waits for design" }]
  },
  ends,
  Effect.fnUntraced(function* (given) {
    const input = yield* checked("Link", given)
    return Effect.flatMap(BacklogService, (backlog) => Effect.map(backlog.link(input), linksReply))
  })
)

export const unlink = commandVerb(
  "unlink",
  {
    about: "Removes the dependency of card FROM on card TO.",
    brief: "Remove a dependency",
    examples: [{ command: "backlog unlink build design" }]
  },
  ends,
  Effect.fnUntraced(function* (given) {
    const input = yield* checked("Unlink", given)
    return Effect.flatMap(BacklogService, (backlog) => Effect.map(backlog.unlink(input), linksReply))
  })
)
