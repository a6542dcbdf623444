import { Effect } from "effect"
import { BacklogService } from "../../index.ts"
import { checked, commandVerb } from "../commandVerb.ts"
import { idArgument, requiredWhole, text, whole } from "../flags.ts"
import { cardReply } from "../Reply.ts"
import { oneLine } from "../terminalText.ts"
import { moment } from "../times.ts"

export const release = commandVerb(
  "release",
  {
    about: "Gives a claimed card back, so that others can take it: at once, or after --retry-after seconds.",
    brief: "Give a claimed card back",
    examples: [
      {
        command: 'backlog release build --token 2 --reason "the tests need a server" --retry-after 600',
        description: "Not to be tried again for ten minutes"
      }
    ]
  },
  {
    id: idArgument(),
    token: requiredWhole("token", "The claim's token"),
    reason: text("reason", "Why", "TEXT"),
    retryAfter: whole("retry-after", "How long nobody shall take it", "SECONDS")
  },
  Effect.fnUntraced(function* ({ id, reason, retryAfter, token }) {
    const input = yield* checked("Release", { id, token, reason, retryAfterSeconds: retryAfter })
    return Effect.gen(function* () {
      const backlog = yield* BacklogService
      const card = yield* backlog.release(input)
      return cardReply(
        card,
        () =>
          `${oneLine(card.id)} is free again${
            card.notBefore === null ? "" : `, to be taken from ${moment(card.notBefore)} on`
          }.`
      )
    })
  })
)
