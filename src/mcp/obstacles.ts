import type { Explanation, Obstacle } from "../index.ts"
import { instant } from "./words.ts"

/** What stands between a card and a claim, a sentence each. */
export const obstacles = (explanation: Explanation, owner: string): ReadonlyArray<string> =>
  explanation.obstacles.map((obstacle) => sentence(obstacle, owner))

const sentence = (obstacle: Obstacle, owner: string): string => {
  switch (obstacle._tag) {
    case "UnmetDependencies": {
      const [first, ...others] = obstacle.dependencies.map(({ id, status }) => `${id} (${status ?? "does not exist"})`)
      return `It waits for ${[first, ...others.slice(0, 9)].join(", ")}${others.length > 9 ? ` and ${others.length - 9} more` : ""}.`
    }
    case "Claimed":
      if (obstacle.expired) return `The claim of ${obstacle.holder} has run out: the next claim takes it over.`
      return obstacle.holder === owner
        ? `You hold it already, until ${instant(obstacle.expiresAt)}: backlog_show has the token.`
        : `It is held by ${obstacle.holder} until ${instant(obstacle.expiresAt)}; claim another.`
    case "Blocked":
      return obstacle.reason === null ? "It is blocked." : `It is blocked: ${obstacle.reason}`
    case "Done":
      return "It is done."
    case "NotYet":
      return `It is not to be tried again before ${instant(obstacle.notBefore)}.`
  }
}
