import { type DateTime, Effect } from "effect"
import { formatTime, formatTimeNear } from "./moments.ts"
import { escapeLines, escapeLine, type TextStyle } from "./terminalText.ts"
import { outlookReasonText } from "../domain/ClaimOutlook.ts"
import { describeDependencies, describeObstacle } from "../domain/Explanation.ts"
import { BacklogService, type Card, type ClaimFilter, type ClaimOutlook, type Explanation } from "../index.ts"

/** A card's id and title. */
export const formatCardTitle = (card: Pick<Card, "id" | "title">, style: TextStyle): string =>
  `${style.bold(escapeLine(card.id))}  ${escapeLine(card.title)}`

/** A card in sentences, with what stands between it and a claim where that is told. */
export const describeCard = (card: Card, explanation: Explanation | undefined, style: TextStyle): string => {
  const facts: Array<string> = [
    explanation === undefined
      ? `It is ${card.status}.`
      : explanation.claimable
        ? style.green("It can be claimed.")
        : describeObstacles(explanation, card.updatedAt).map(style.yellow).join("\n  "),
    [
      `Priority ${card.priority}`,
      card.phase === null ? "" : `phase ${escapeLine(card.phase)}`,
      formatAttempts(card.attempts)
    ]
      .filter((part) => part !== "")
      .join(", ") + ".",
    card.dependsOn.length === 0 ? "" : `It depends on ${card.dependsOn.map(escapeLine).join(", ")}.`,
    `Created ${formatTime(card.createdAt)}, changed ${formatTime(card.updatedAt)}, version ${card.version}.`,
    card.claimToken === null ? "" : `The claim's token is ${card.claimToken}.`,
    card.idempotencyKey === null ? "" : `Its idempotency key is ${escapeLine(card.idempotencyKey)}.`
  ]
  const parts = [
    card.body === null || card.body === "" ? "" : escapeLines(card.body),
    card.acceptance === null ? "" : `${style.bold("Acceptance")}\n${formatJson(card.acceptance)}`,
    card.result === null ? "" : `${style.bold("Result")}\n${formatJson(card.result)}`
  ]
  return [
    `${formatCardTitle(card, style)}\n${facts
      .filter((fact) => fact !== "")
      .map((fact) => `  ${fact}`)
      .join("\n")}`,
    ...parts.filter((part) => part !== "")
  ].join("\n\n")
}

/** The same, of a card as it is now. */
export const describeCurrentCard = (card: Card, style: TextStyle) =>
  Effect.flatMap(BacklogService, (backlog) =>
    Effect.map(backlog.explain(card.id), (explanation) => describeCard(card, explanation, style))
  )

/**
 * The same, for a command that has answered the card: with what stands between it and a claim, unless the command has an
 * id. It may then have been carried out long ago, and the same answer is to be given again.
 */
export const describeCommandResult = (
  card: Card,
  { commandId }: { readonly commandId?: string | undefined },
  style: TextStyle
) => (commandId === undefined ? describeCurrentCard(card, style) : Effect.succeed(describeCard(card, undefined, style)))

const formatAttempts = (count: number): string => (count === 0 ? "" : count === 1 ? "1 attempt" : `${count} attempts`)

/** A text as it is, other JSON with a line for each member. */
const formatJson = (value: unknown): string =>
  escapeLines(typeof value === "string" ? value : JSON.stringify(value, null, 2))

/** Why a card can or cannot be claimed. */
export const describeExplanation = (explanation: Explanation, style: TextStyle): string => {
  const id = style.bold(escapeLine(explanation.id))
  return explanation.claimable
    ? `${id} can be claimed.`
    : [`${id} cannot be claimed.`, ...describeObstacles(explanation).map((sentence) => `  ${sentence}`)].join("\n")
}

/** Describes what keeps a card from being claimed, in one sentence each. Times on the day of `near` omit the date. */
export const describeObstacles = (
  explanation: Pick<Explanation, "obstacles">,
  near?: DateTime.Utc
): ReadonlyArray<string> => {
  const time = (at: DateTime.Utc) => (near === undefined ? formatTime(at) : formatTimeNear(at, near))
  return explanation.obstacles.map((obstacle) => describeObstacle(obstacle, { text: escapeLine, time }))
}

/** Why there is nothing to claim, and when that may change. */
export const describeOutlook = (outlook: ClaimOutlook, choice: ClaimFilter): string =>
  [`There is nothing to claim${outlookReasonText(outlook, choice)}.`, ...describeProspects(outlook)].join(" ")

const describeProspects = ({ nearest, soonestExpiry, soonestRetry }: ClaimOutlook): ReadonlyArray<string> => [
  ...(soonestExpiry === null
    ? []
    : [
        `${escapeLine(soonestExpiry.id)} is free first, when the claim of ${escapeLine(soonestExpiry.holder)} runs out at ${formatTime(soonestExpiry.expiresAt)}.`
      ]),
  ...(soonestRetry === null
    ? []
    : [`${escapeLine(soonestRetry.id)} is to be tried again at ${formatTime(soonestRetry.notBefore)}.`]),
  ...(nearest === null
    ? []
    : [
        `${escapeLine(nearest.id)} waits for least: ${describeDependencies(nearest.waitsFor, escapeLine)}${
          nearest.unmetDependencies > nearest.waitsFor.length
            ? ` and ${nearest.unmetDependencies - nearest.waitsFor.length} more`
            : ""
        }.`
      ])
]
