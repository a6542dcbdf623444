import { Effect } from "effect"
import { BacklogService, type Card } from "../../index.ts"
import { makeCardOutput } from "../CommandOutput.ts"
import { commandInput, defineBacklogCommand } from "../defineCommand.ts"
import { idArgument, integerFlag, textFlag } from "../flags.ts"
import { escapeLine } from "../terminalText.ts"

const cardFlags = { id: idArgument(), reason: textFlag("reason", "Reason for the change", "TEXT") }

/** The output of a command that changes a card's status. */
const makeStatusOutput = (card: Card) => makeCardOutput(card, () => `${escapeLine(card.id)} is ${card.status}.`)

export const blockCommand = defineBacklogCommand(
  "block",
  {
    description:
      "Blocks a card, so that it cannot be claimed, and ends its claim. With --token it does so only if that is the token of the current claim, so that a worker does not end the claim of another one.",
    summary: "Block a card",
    examples: [
      { command: 'backlog block build --reason "waiting for an answer"' },
      { command: 'backlog block build --token 2 --reason "the tests need a server"', description: "By its holder" }
    ]
  },
  { ...cardFlags, token: integerFlag("token", "Token of the claim that ends. Defaults to any claim") },
  Effect.fnUntraced(function* (flags) {
    const input = yield* commandInput("Block", flags)
    return Effect.flatMap(BacklogService, (backlog) => Effect.map(backlog.block(input), makeStatusOutput))
  })
)

export const unblockCommand = defineBacklogCommand(
  "unblock",
  {
    description: "Unblocks a card, so that it is ready again.",
    summary: "Unblock a card",
    examples: [{ command: "backlog unblock build" }]
  },
  cardFlags,
  Effect.fnUntraced(function* (flags) {
    const input = yield* commandInput("Unblock", flags)
    return Effect.flatMap(BacklogService, (backlog) => Effect.map(backlog.unblock(input), makeStatusOutput))
  })
)

export const reopenCommand = defineBacklogCommand(
  "reopen",
  {
    description: "Reopens a done card, so that it is ready again. Open cards that depend on it wait again.",
    summary: "Reopen a done card",
    examples: [{ command: 'backlog reopen build --reason "it does not build"' }]
  },
  cardFlags,
  Effect.fnUntraced(function* (flags) {
    const input = yield* commandInput("Reopen", flags)
    return Effect.flatMap(BacklogService, (backlog) => Effect.map(backlog.reopen(input), makeStatusOutput))
  })
)
