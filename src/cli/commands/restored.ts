import { Effect } from "effect"
import { AuditService, Restored, type RestoredBacklog } from "../../index.ts"
import { decodeInput } from "../../services/decodeInput.ts"
import { currentActor } from "../globals.ts"
import { reply } from "../Reply.ts"
import { oneLine } from "../terminalText.ts"
import { verb } from "../verb.ts"

export const restored = verb(
  "restored",
  {
    about:
      "Run this once after you restored the backlog from a backup, before workers continue. Begins a new generation of tokens and ends every live claim, so that a worker from before the restore gets ClaimLost instead of completing a card that another worker holds. Running it again ends the live claims again.",
    brief: "After a restore: end old claims and tokens",
    examples: [{ command: "backlog restored" }, { command: "backlog restored --json --actor ops" }]
  },
  {},
  Effect.fnUntraced(function* () {
    const input = yield* decodeRestored({ actor: yield* currentActor })
    return Effect.gen(function* () {
      const answer = yield* (yield* AuditService).restored(input)
      return reply(
        () => answer,
        () => `Tokens are of generation ${answer.generation} from now on. ${describeEnded(answer)}`
      )
    })
  })
)

const decodeRestored = decodeInput(Restored)

/** Which claims were ended. */
export const describeEnded = ({ reclaimed }: Pick<RestoredBacklog, "reclaimed">): string =>
  reclaimed.length === 0
    ? "There was no live claim."
    : `Ended ${reclaimed.length === 1 ? "1 live claim" : `${reclaimed.length} live claims`}: ${reclaimed.map(oneLine).join(", ")}.`
