import { Effect } from "effect"
import { encodeCard, makeOutput } from "../CommandOutput.ts"
import { formatCardTitle } from "../describeCard.ts"
import { claimFilterFlags, idArgument, switchFlag, textFlag, integerFlag } from "../flags.ts"
import { escapeLine, type TextStyle } from "../terminalText.ts"
import { readJsonFlag } from "../readInput.ts"
import { commandInput, defineBacklogCommand } from "../defineCommand.ts"
import { BacklogService, type Card, InvalidInput } from "../../index.ts"

export const completeCommand = defineBacklogCommand(
  "complete",
  {
    description:
      "Completes a card: a claimed one with its claim's token, or with --force; any other directly. Answers also which cards can be claimed now because of it. With --claim-next it claims the best card in the same step, those included, and the answer has it in next.",
    summary: "Complete a card",
    examples: [
      { command: "backlog complete build --token 2" },
      { command: 'backlog complete build --token 2 --result \'{"commit":"8c1f0e2"}\'' },
      { command: "backlog complete build --token 2 --claim-next worker-1", description: "And take the next card" }
    ]
  },
  {
    id: idArgument(),
    token: integerFlag("token", "The claim's token"),
    force: switchFlag("force", "Also when somebody else holds it"),
    result: textFlag("result", "What came of it: any JSON; - reads standard input", "JSON"),
    claimNext: textFlag("claim-next", "Who takes the best card next", "OWNER"),
    ttl: integerFlag("ttl", "How long that claim lasts (default: 900)", "SECONDS"),
    ...claimFilterFlags
  },
  Effect.fnUntraced(function* (flags) {
    const { claimNext, minPriority, phase, ttl } = flags
    if (claimNext === undefined && (minPriority ?? phase ?? ttl) !== undefined) {
      return yield* new InvalidInput({
        problem: "--ttl, --phase and --min-priority say more of --claim-next, which is missing"
      })
    }
    const input = yield* commandInput("Complete", {
      id: flags.id,
      token: flags.token,
      force: flags.force ? true : undefined,
      result: yield* readJsonFlag("result", flags.result),
      claimNext: claimNext === undefined ? undefined : { owner: claimNext, ttlSeconds: ttl, phase, minPriority }
    })
    return Effect.gen(function* () {
      const backlog = yield* BacklogService
      const { madeClaimable, next, ...card } = yield* backlog.complete(input)
      return makeOutput(
        () => ({ ...encodeCard(card), madeClaimable, next: next === null ? null : encodeCard(next) }),
        (style) =>
          [
            `${escapeLine(card.id)} is done.`,
            madeClaimable.length === 0
              ? ""
              : `Now claimable: ${madeClaimable.map((id) => style.green(escapeLine(id))).join(", ")}.`,
            claimNext === undefined
              ? ""
              : next === null
                ? "There is nothing to claim next."
                : describeNextClaim(next, style)
          ]
            .filter((line) => line !== "")
            .join("\n")
      )
    })
  })
)

const describeNextClaim = (card: Card, style: TextStyle): string =>
  `${escapeLine(card.claimOwner ?? "")} has ${formatCardTitle(card, style)} next, with token ${card.claimToken}, for ${card.claimTtlSeconds} seconds.`
