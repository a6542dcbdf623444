import type { DateTime } from "effect"
import type { Explanation, Obstacle, UnmetDependency } from "../index.ts"
import type { Page } from "./Page.ts"
import { oneLine } from "./terminalText.ts"
import { moment, momentBeside } from "./times.ts"

/** Why a card can or cannot be claimed. */
export const describeExplanation = (explanation: Explanation, page: Page): string => {
  const id = page.bold(oneLine(explanation.id))
  return explanation.claimable
    ? `${id} can be claimed.`
    : [`${id} cannot be claimed.`, ...obstacles(explanation).map((sentence) => `  ${sentence}`)].join("\n")
}

/** What stands between a card and a claim, a sentence each. Times of the day of `beside` are given without the day. */
export const obstacles = (explanation: Pick<Explanation, "obstacles">, beside?: DateTime.Utc): ReadonlyArray<string> =>
  explanation.obstacles.map((obstacle) => sentence(obstacle, beside))

/** Cards that are waited for, and how they stand. */
export const dependencyList = (dependencies: ReadonlyArray<UnmetDependency>): string =>
  dependencies.map(({ id, status }) => `${oneLine(id)} (${status ?? "does not exist"})`).join(", ")

const sentence = (obstacle: Obstacle, beside: DateTime.Utc | undefined): string => {
  const when = (time: DateTime.Utc) => (beside === undefined ? moment(time) : momentBeside(time, beside))
  switch (obstacle._tag) {
    case "UnmetDependencies":
      return `It waits for ${dependencyList(obstacle.dependencies)}.`
    case "Claimed":
      return obstacle.expired
        ? `The claim of ${oneLine(obstacle.holder)} ran out at ${when(obstacle.expiresAt)}: the next claim takes it over.`
        : `It is held by ${oneLine(obstacle.holder)} until ${when(obstacle.expiresAt)}.`
    case "Blocked":
      return obstacle.reason === null ? "It is blocked." : `It is blocked: ${oneLine(obstacle.reason)}`
    case "Done":
      return obstacle.completedAt === null ? "It is done." : `It is done since ${when(obstacle.completedAt)}.`
    case "NotYet":
      return `It is not to be tried again before ${when(obstacle.notBefore)}.`
  }
}
