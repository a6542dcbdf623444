import type { Explanation, Obstacle, Status } from "../index.ts"
import { joined, moment, term, type Words, words } from "./words.ts"

/** Dependencies that are named in an answer. */
const dependenciesNamed = 10

/** Cards that another waits for, with their status. */
export const awaited = (dependencies: ReadonlyArray<{ readonly id: string; readonly status: Status | null }>): Words =>
  joined(
    ", ",
    dependencies.map(({ id, status }) =>
      status === null ? words`${id} (does not exist)` : words`${id} (${term(status)})`
    )
  )

/** What stands between a card and a claim, a sentence each. */
export const obstacles = (explanation: Explanation, owner: string): ReadonlyArray<Words> =>
  explanation.obstacles.map((obstacle) => sentence(obstacle, owner))

const sentence = (obstacle: Obstacle, owner: string): Words => {
  switch (obstacle._tag) {
    case "UnmetDependencies": {
      const { dependencies } = obstacle
      const more = dependencies.length - dependenciesNamed
      const named = awaited(dependencies.slice(0, dependenciesNamed))
      return more > 0 ? words`It waits for ${named} and ${more} more.` : words`It waits for ${named}.`
    }
    case "Claimed":
      if (obstacle.expired) return words`The claim of ${obstacle.holder} has run out: the next claim takes it over.`
      return obstacle.holder === owner
        ? words`You hold it already, until ${moment(obstacle.expiresAt)}: backlog_show has the token.`
        : words`It is held by ${obstacle.holder} until ${moment(obstacle.expiresAt)}; claim another.`
    case "Blocked":
      return obstacle.reason === null ? words`It is blocked.` : words`It is blocked: ${obstacle.reason}`
    case "Done":
      return words`It is done.`
    case "NotYet":
      return words`It is not to be tried again before ${moment(obstacle.notBefore)}.`
  }
}
