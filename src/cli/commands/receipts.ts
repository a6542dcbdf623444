import { Effect } from "effect"
import { Command } from "effect/cli"
import { AuditService, PruneReceipts } from "../../index.ts"
import { decodeInput } from "../../services/decodeInput.ts"
import { requiredDecimal } from "../flags.ts"
import { reply } from "../Reply.ts"
import { documented, verb } from "../verb.ts"

const prune = verb(
  "prune",
  {
    about:
      "Removes the receipts of commands that are older than --older-than-days, and answers how many. A command that comes again after that is a new one: keep receipts for longer than anybody may try again.",
    brief: "Remove old receipts",
    examples: [
      { command: "backlog receipts prune --older-than-days 30" },
      { command: "backlog receipts prune --older-than-days 0.5", description: "Half a day" }
    ]
  },
  { olderThanDays: requiredDecimal("older-than-days", "How old a receipt must be to go: days, 0 or more", "DAYS") },
  Effect.fnUntraced(function* (input) {
    yield* decodePruneReceipts(input)
    return Effect.gen(function* () {
      const pruned = yield* (yield* AuditService).pruneReceipts(input)
      return reply(
        () => ({ pruned }),
        () => (pruned === 1 ? "1 receipt was removed." : `${pruned} receipts were removed.`)
      )
    })
  })
)

const decodePruneReceipts = decodeInput(PruneReceipts)

export const receipts = documented(Command.make("receipts").pipe(Command.withSubcommands([prune])), {
  about: "Receipts of the commands that had a --command-id. They say what was answered, and hold no content of cards.",
  brief: "Receipts of commands with an id",
  examples: [{ command: "backlog receipts prune --older-than-days 30" }]
})
