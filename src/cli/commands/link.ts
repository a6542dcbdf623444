import { Effect } from "effect"
import { BacklogService, type Card } from "../../index.ts"
import { makeCardOutput } from "../CommandOutput.ts"
import { commandInput, defineBacklogCommand } from "../defineCommand.ts"
import { idArgument } from "../flags.ts"
import { escapeLine } from "../terminalText.ts"

const linkArguments = {
  from: idArgument("from", "The card that depends"),
  to: idArgument("to", "The card that it depends on")
}

const makeLinksOutput = (card: Card) =>
  makeCardOutput(card, () =>
    card.dependsOn.length === 0
      ? `${escapeLine(card.id)} depends on nothing.`
      : `${escapeLine(card.id)} depends on ${card.dependsOn.map(escapeLine).join(", ")}.`
  )

export const linkCommand = defineBacklogCommand(
  "link",
  {
    description: "Makes card FROM depend on card TO: FROM cannot be claimed until TO is done.",
    summary: "Make a card depend on another card",
    examples: [{ command: "backlog link build design", description: "build waits for design" }]
  },
  linkArguments,
  Effect.fnUntraced(function* (flags) {
    const input = yield* commandInput("Link", flags)
    return Effect.flatMap(BacklogService, (backlog) => Effect.map(backlog.link(input), makeLinksOutput))
  })
)

export const unlinkCommand = defineBacklogCommand(
  "unlink",
  {
    description: "Removes the dependency of card FROM on card TO.",
    summary: "Remove a dependency",
    examples: [{ command: "backlog unlink build design" }]
  },
  linkArguments,
  Effect.fnUntraced(function* (flags) {
    const input = yield* commandInput("Unlink", flags)
    return Effect.flatMap(BacklogService, (backlog) => Effect.map(backlog.unlink(input), makeLinksOutput))
  })
)
