import { Effect } from "effect"
import { makeCardOutput } from "../CommandOutput.ts"
import { idArgument, textFlag } from "../flags.ts"
import { escapeLine } from "../terminalText.ts"
import { commandInput, defineBacklogCommand } from "../defineCommand.ts"
import { BacklogService, type Card } from "../../index.ts"

const cardFlags = { id: idArgument(), reason: textFlag("reason", "Why", "TEXT") }

/** The reply of a command after which a card stands in a certain way. */
const makeStatusOutput = (card: Card) => makeCardOutput(card, () => `${escapeLine(card.id)} is ${card.status}.`)

export const blockCommand = defineBacklogCommand(
  "block",
  {
    description: "Sets a card aside, so that nobody takes it; ends its claim if it has one.",
    summary: "Set a card aside",
    examples: [{ command: 'backlog block build --reason "waiting for an answer"' }]
  },
  cardFlags,
  Effect.fnUntraced(function* (given) {
    const input = yield* commandInput("Block", given)
    return Effect.flatMap(BacklogService, (backlog) => Effect.map(backlog.block(input), makeStatusOutput))
  })
)

export const unblockCommand = defineBacklogCommand(
  "unblock",
  {
    description: "Makes a blocked card ready again.",
    summary: "Make a blocked card ready again",
    examples: [{ command: "backlog unblock build" }]
  },
  cardFlags,
  Effect.fnUntraced(function* (given) {
    const input = yield* commandInput("Unblock", given)
    return Effect.flatMap(BacklogService, (backlog) => Effect.map(backlog.unblock(input), makeStatusOutput))
  })
)

export const reopenCommand = defineBacklogCommand(
  "reopen",
  {
    description: "Makes a done card ready again. Cards that depend on it and are not done wait for it again.",
    summary: "Make a done card ready again",
    examples: [{ command: 'backlog reopen build --reason "it does not build"' }]
  },
  cardFlags,
  Effect.fnUntraced(function* (given) {
    const input = yield* commandInput("Reopen", given)
    return Effect.flatMap(BacklogService, (backlog) => Effect.map(backlog.reopen(input), makeStatusOutput))
  })
)
