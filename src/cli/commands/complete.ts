import { Effect } from "effect"
import { BacklogService, type Card, InvalidInput } from "../../index.ts"
import { choiceFlags } from "../choiceFlags.ts"
import { checked, commandVerb } from "../commandVerb.ts"
import { idArgument, switchFlag, text, whole } from "../flags.ts"
import { named } from "../describeCard.ts"
import type { Page } from "../Page.ts"
import { encodeCard, reply } from "../Reply.ts"
import { oneLine } from "../terminalText.ts"
import { jsonOrInput } from "../textInput.ts"

export const complete = commandVerb(
  "complete",
  {
    about:
      "Completes a card: a claimed one with its claim's token, or with --force; any other directly. Answers also which cards can be claimed now because of it. With --claim-next it claims the best card in the same step, those included, and the answer has it in next.",
    brief: "Complete a card",
    examples: [
      { command: "backlog complete build --token 2" },
      { command: 'backlog complete build --token 2 --result \'{"commit":"8c1f0e2"}\'' },
      { command: "backlog complete build --token 2 --claim-next worker-1", description: "And take the next card" }
    ]
  },
  {
    id: idArgument(),
    token: whole("token", "The claim's token"),
    force: switchFlag("force", "Also when somebody else holds it"),
    result: text("result", "What came of it: any JSON; - reads standard input", "JSON"),
    claimNext: text("claim-next", "Who takes the best card next", "OWNER"),
    ttl: whole("ttl", "How long that claim lasts (default: 900)", "SECONDS"),
    ...choiceFlags
  },
  Effect.fnUntraced(function* (flags) {
    const { claimNext, minPriority, phase, ttl } = flags
    if (claimNext === undefined && (minPriority ?? phase ?? ttl) !== undefined) {
      return yield* new InvalidInput({
        problem: "--ttl, --phase and --min-priority say more of --claim-next, which is missing"
      })
    }
    const input = yield* checked("Complete", {
      id: flags.id,
      token: flags.token,
      force: flags.force ? true : undefined,
      result: yield* jsonOrInput("result", flags.result),
      claimNext: claimNext === undefined ? undefined : { owner: claimNext, ttlSeconds: ttl, phase, minPriority }
    })
    return Effect.gen(function* () {
      const backlog = yield* BacklogService
      const { madeClaimable, next, ...card } = yield* backlog.complete(input)
      return reply(
        () => ({ ...encodeCard(card), madeClaimable, next: next === null ? null : encodeCard(next) }),
        (page) =>
          [
            `${oneLine(card.id)} is done.`,
            madeClaimable.length === 0
              ? ""
              : `Now claimable: ${madeClaimable.map((id) => page.green(oneLine(id))).join(", ")}.`,
            claimNext === undefined ? "" : next === null ? "There is nothing to claim next." : took(next, page)
          ]
            .filter((line) => line !== "")
            .join("\n")
      )
    })
  })
)

const took = (card: Card, page: Page): string =>
  `${oneLine(card.claimOwner ?? "")} has ${named(card, page)} next, with token ${card.claimToken}, for ${card.claimTtlSeconds} seconds.`
