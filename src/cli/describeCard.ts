import { Effect } from "effect"
import { BacklogService, type Card, type Explanation } from "../index.ts"
import { obstacles } from "./describeExplanation.ts"
import type { Page } from "./Page.ts"
import { manyLines, oneLine } from "./terminalText.ts"
import { moment } from "./times.ts"

/** A card's id and title. */
export const named = (card: Pick<Card, "id" | "title">, page: Page): string =>
  `${page.bold(oneLine(card.id))}  ${oneLine(card.title)}`

/** A card in sentences, with what stands between it and a claim where that is told. */
export const describeCard = (card: Card, explanation: Explanation | undefined, page: Page): string => {
  const facts: Array<string> = [
    explanation === undefined
      ? `It is ${card.status}.`
      : explanation.claimable
        ? page.green("It can be claimed.")
        : obstacles(explanation, card.updatedAt).map(page.yellow).join("\n  "),
    [`Priority ${card.priority}`, card.phase === null ? "" : `phase ${oneLine(card.phase)}`, attempts(card.attempts)]
      .filter((part) => part !== "")
      .join(", ") + ".",
    card.dependsOn.length === 0 ? "" : `It depends on ${card.dependsOn.map(oneLine).join(", ")}.`,
    `Created ${moment(card.createdAt)}, changed ${moment(card.updatedAt)}, version ${card.version}.`,
    card.claimToken === null ? "" : `The claim's token is ${card.claimToken}.`,
    card.idempotencyKey === null ? "" : `Its idempotency key is ${oneLine(card.idempotencyKey)}.`
  ]
  const parts = [
    card.body === null || card.body === "" ? "" : manyLines(card.body),
    card.acceptance === null ? "" : `${page.bold("Acceptance")}\n${json(card.acceptance)}`,
    card.result === null ? "" : `${page.bold("Result")}\n${json(card.result)}`
  ]
  return [
    `${named(card, page)}\n${facts
      .filter((fact) => fact !== "")
      .map((fact) => `  ${fact}`)
      .join("\n")}`,
    ...parts.filter((part) => part !== "")
  ].join("\n\n")
}

/** The same, of a card as it is now. */
export const describedCard = (card: Card, page: Page) =>
  Effect.flatMap(BacklogService, (backlog) =>
    Effect.map(backlog.explain(card.id), (explanation) => describeCard(card, explanation, page))
  )

/**
 * The same, for a command that has answered the card: with what stands between it and a claim, unless the command has an
 * id. It may then have been carried out long ago, and the same answer is to be given again.
 */
export const describedAnswer = (card: Card, { commandId }: { readonly commandId?: string | undefined }, page: Page) =>
  commandId === undefined ? describedCard(card, page) : Effect.succeed(describeCard(card, undefined, page))

const attempts = (count: number): string => (count === 0 ? "" : count === 1 ? "1 attempt" : `${count} attempts`)

/** A text as it is, other JSON with a line for each member. */
const json = (value: unknown): string => manyLines(typeof value === "string" ? value : JSON.stringify(value, null, 2))
