import { Effect } from "effect"
import { BacklogService } from "../../index.ts"
import { checked, commandVerb } from "../commandVerb.ts"
import { idArgument, requiredWhole, whole } from "../flags.ts"
import { cardReply } from "../Reply.ts"
import { oneLine } from "../terminalText.ts"
import { moment } from "../times.ts"

export const renew = commandVerb(
  "renew",
  {
    about: "Extends a claim: it lasts --ttl seconds from now, as long as it was made for when --ttl is not given.",
    brief: "Extend a claim",
    examples: [{ command: "backlog renew build --token 2" }, { command: "backlog renew build --token 2 --ttl 3600" }]
  },
  {
    id: idArgument(),
    token: requiredWhole("token", "The claim's token"),
    ttl: whole("ttl", "How long it lasts from now", "SECONDS")
  },
  Effect.fnUntraced(function* ({ id, token, ttl }) {
    const input = yield* checked("Renew", { id, token, ttlSeconds: ttl })
    return Effect.gen(function* () {
      const backlog = yield* BacklogService
      const card = yield* backlog.renew(input)
      return cardReply(
        card,
        () =>
          `${oneLine(card.claimOwner ?? "")} has ${oneLine(card.id)} until ${
            card.claimExpiresAt === null ? "" : moment(card.claimExpiresAt)
          }.`
      )
    })
  })
)
