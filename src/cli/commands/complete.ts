import { Effect } from "effect"
import { BacklogService, type Card, InvalidInput } from "../../index.ts"
import { encodeCard, makeOutput } from "../CommandOutput.ts"
import { commandInput, defineBacklogCommand } from "../defineCommand.ts"
import { formatCardTitle } from "../describeCard.ts"
import { claimFilterFlags, idArgument, maxAttemptsFlag, integerFlag, switchFlag, textFlag } from "../flags.ts"
import { readJsonFlag } from "../readInput.ts"
import { escapeLine, type TextStyle } from "../terminalText.ts"

export const completeCommand = defineBacklogCommand(
  "complete",
  {
    description:
      "Completes a card. A claimed card requires the claim's --token, or --force. Prints the cards that become claimable. With --claim-next it also claims the best card in the same transaction, including those cards.",
    summary: "Complete a card",
    examples: [
      { command: "backlog complete build --token 2" },
      { command: 'backlog complete build --token 2 --result \'{"commit":"8c1f0e2"}\'' },
      { command: "backlog complete build --token 2 --claim-next worker-1", description: "Also claims the next card" }
    ]
  },
  {
    id: idArgument(),
    token: integerFlag("token", "Token of the claim"),
    force: switchFlag("force", "Complete the card even if it is claimed by another owner"),
    result: textFlag("result", "Result as JSON. - reads standard input", "JSON"),
    claimNext: textFlag("claim-next", "Owner who claims the best card next", "OWNER"),
    ttl: integerFlag("ttl", "Duration of the next claim in seconds. Defaults to 900", "SECONDS"),
    ...claimFilterFlags,
    maxAttempts: maxAttemptsFlag
  },
  Effect.fnUntraced(function* (flags) {
    const { claimNext, labels, maxAttempts, minPriority, phase, ttl, withoutLabels } = flags
    if (
      claimNext === undefined &&
      (labels ?? withoutLabels ?? maxAttempts ?? minPriority ?? phase ?? ttl) !== undefined
    ) {
      return yield* new InvalidInput({
        problem: "--ttl, --phase, --min-priority, --label, --without-label and --max-attempts require --claim-next"
      })
    }
    const input = yield* commandInput("Complete", {
      id: flags.id,
      token: flags.token,
      force: flags.force ? true : undefined,
      result: yield* readJsonFlag("result", flags.result),
      claimNext:
        claimNext === undefined
          ? undefined
          : { owner: claimNext, ttlSeconds: ttl, maxAttempts, phase, minPriority, labels, withoutLabels }
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
            claimNext === undefined ? "" : next === null ? "Nothing is claimable next." : describeNextClaim(next, style)
          ]
            .filter((line) => line !== "")
            .join("\n")
      )
    })
  })
)

const describeNextClaim = (card: Card, style: TextStyle): string =>
  `${escapeLine(card.claimOwner ?? "")} claimed ${formatCardTitle(card, style)} next with token ${card.claimToken} for ${card.claimTtlSeconds} seconds.`
