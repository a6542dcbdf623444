import { Effect } from "effect"
import { BacklogService, type Card } from "../../index.ts"
import { checked, commandVerb } from "../commandVerb.ts"
import { idArgument, text } from "../flags.ts"
import { cardReply } from "../Reply.ts"
import { oneLine } from "../terminalText.ts"

const flags = { id: idArgument(), reason: text("reason", "Why", "TEXT") }

/** The reply of a command after which a card stands in a certain way. */
const nowReply = (card: Card) => cardReply(card, () => `${oneLine(card.id)} is ${card.status}.`)

export const block = commandVerb(
  "block",
  {
    about: "Sets a card aside, so that nobody takes it; ends its claim if it has one.",
    brief: "Set a card aside",
    examples: [{ command: 'backlog block build --reason "waiting for an answer"' }]
  },
  flags,
  Effect.fnUntraced(function* (given) {
    const input = yield* checked("Block", given)
    return Effect.flatMap(BacklogService, (backlog) => Effect.map(backlog.block(input), nowReply))
  })
)

export const unblock = commandVerb(
  "unblock",
  {
    about: "Makes a blocked card ready again.",
    brief: "Make a blocked card ready again",
    examples: [{ command: "backlog unblock build" }]
  },
  flags,
  Effect.fnUntraced(function* (given) {
    const input = yield* checked("Unblock", given)
    return Effect.flatMap(BacklogService, (backlog) => Effect.map(backlog.unblock(input), nowReply))
  })
)

export const reopen = commandVerb(
  "reopen",
  {
    about: "Makes a done card ready again. Cards that depend on it and are not done wait for it again.",
    brief: "Make a done card ready again",
    examples: [{ command: 'backlog reopen build --reason "it does not build"' }]
  },
  flags,
  Effect.fnUntraced(function* (given) {
    const input = yield* checked("Reopen", given)
    return Effect.flatMap(BacklogService, (backlog) => Effect.map(backlog.reopen(input), nowReply))
  })
)
