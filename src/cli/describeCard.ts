import { type DateTime, Effect } from "effect"
import { outlookReasonText } from "../domain/ClaimOutlook.ts"
import { describeDependencies, describeObstacle } from "../domain/Explanation.ts"
import { BacklogService, type Card, type ClaimFilter, type ClaimOutlook, type Explanation } from "../index.ts"
import { formatTime, formatTimeNear } from "./moments.ts"
import { escapeLine, escapeLines, type TextStyle } from "./terminalText.ts"

/** Formats a card's id and title. */
export const formatCardTitle = (card: Pick<Card, "id" | "title">, style: TextStyle): string =>
  `${style.bold(escapeLine(card.id))}  ${escapeLine(card.title)}`

/** Describes a card, with the reasons why it cannot be claimed if an explanation is given. */
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
      formatLabels(card.labels),
      formatAttempts(card.attempts)
    ]
      .filter((part) => part !== "")
      .join(", ") + ".",
    card.dependsOn.length === 0 ? "" : `It depends on ${card.dependsOn.map(escapeLine).join(", ")}.`,
    `Created ${formatTime(card.createdAt)}, changed ${formatTime(card.updatedAt)}, version ${card.version}.`,
    card.claimToken === null ? "" : `The claim's token is ${card.claimToken}.`,
    card.lastNote === null
      ? ""
      : `It has ${card.noteCount === 1 ? "1 note" : `${card.noteCount} notes, the last`} by ${escapeLine(card.lastNote.actor)} at ${formatTime(card.lastNote.at)}.`,
    card.idempotencyKey === null ? "" : `Its idempotency key is ${escapeLine(card.idempotencyKey)}.`
  ]
  const parts = [
    card.lastNote === null ? "" : `${style.bold("Last note")}\n${escapeLines(card.lastNote.text)}`,
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

/** Describes a card with its current explanation. */
export const describeCurrentCard = (card: Card, style: TextStyle) =>
  Effect.flatMap(BacklogService, (backlog) =>
    Effect.map(backlog.explain(card.id), (explanation) => describeCard(card, explanation, style))
  )

/**
 * Describes a card that a command returned. Includes the explanation unless the command has an id: a retry must print what
 * the first run printed, whatever happened since.
 */
export const describeCommandResult = (
  card: Card,
  { commandId }: { readonly commandId?: string | undefined },
  style: TextStyle
) => (commandId === undefined ? describeCurrentCard(card, style) : Effect.succeed(describeCard(card, undefined, style)))

const formatLabels = (labels: ReadonlyArray<string>): string =>
  labels.length === 0 ? "" : `${labels.length === 1 ? "label" : "labels"} ${labels.map(escapeLine).join(", ")}`

const formatAttempts = (count: number): string => (count === 0 ? "" : count === 1 ? "1 attempt" : `${count} attempts`)

/** Formats a string as it is, and other JSON with a line per member. */
const formatJson = (value: unknown): string =>
  escapeLines(typeof value === "string" ? value : JSON.stringify(value, null, 2))

/** Describes whether and why a card can be claimed. */
export const describeExplanation = (explanation: Explanation, style: TextStyle): string => {
  const id = style.bold(escapeLine(explanation.id))
  return explanation.claimable
    ? `${id} can be claimed.`
    : [`${id} cannot be claimed.`, ...describeObstacles(explanation).map((sentence) => `  ${sentence}`)].join("\n")
}

/** Describes what keeps a card from being claimed, in one sentence each. Times on the day of `reference` omit the date. */
export const describeObstacles = (
  explanation: Pick<Explanation, "obstacles">,
  reference?: DateTime.Utc
): ReadonlyArray<string> => {
  const time = (at: DateTime.Utc) => (reference === undefined ? formatTime(at) : formatTimeNear(at, reference))
  return explanation.obstacles.map((obstacle) => describeObstacle(obstacle, { text: escapeLine, time }))
}

/** Describes why nothing is claimable, and when that may change. */
export const describeOutlook = (outlook: ClaimOutlook, choice: ClaimFilter): string =>
  [`There is nothing to claim${outlookReasonText(outlook, choice)}.`, ...describeProspects(outlook)].join(" ")

const describeProspects = ({ nearest, soonestExpiry, soonestRetry }: ClaimOutlook): ReadonlyArray<string> => [
  ...(soonestExpiry === null
    ? []
    : [
        `${escapeLine(soonestExpiry.id)} becomes claimable first, when the claim of ${escapeLine(soonestExpiry.holder)} expires at ${formatTime(soonestExpiry.expiresAt)}.`
      ]),
  ...(soonestRetry === null
    ? []
    : [`${escapeLine(soonestRetry.id)} becomes claimable again at ${formatTime(soonestRetry.notBefore)}.`]),
  ...(nearest === null
    ? []
    : [
        `${escapeLine(nearest.id)} has the fewest unmet dependencies: ${describeDependencies(nearest.waitsFor, escapeLine)}${
          nearest.unmetDependencies > nearest.waitsFor.length
            ? ` and ${nearest.unmetDependencies - nearest.waitsFor.length} more`
            : ""
        }.`
      ])
]
