import { type DateTime, Schema } from "effect"
import { type Card, Status } from "./Card.ts"
import { CardId } from "./CardId.ts"
import { isDue, isExpired } from "./Claimability.ts"
import { Name, Reason } from "./Text.ts"

/** A dependency that is not done. `status` is `null` for a card that does not exist. */
export const UnmetDependency = Schema.Struct({ id: CardId, status: Schema.NullOr(Status) })

/** A dependency that is not done. */
export interface UnmetDependency extends Schema.Schema.Type<typeof UnmetDependency> {}

/** A reason why a card cannot be claimed. */
export const Obstacle = Schema.Union([
  Schema.TaggedStruct("UnmetDependencies", { dependencies: Schema.Array(UnmetDependency) }),
  Schema.TaggedStruct("Claimed", {
    holder: Name,
    expiresAt: Schema.DateTimeUtcFromString,
    /** Whether the lease has expired, so that the next claim reclaims the card. */
    expired: Schema.Boolean
  }),
  Schema.TaggedStruct("Blocked", { reason: Schema.NullOr(Reason) }),
  Schema.TaggedStruct("Done", { completedAt: Schema.NullOr(Schema.DateTimeUtcFromString) }),
  Schema.TaggedStruct("NotYet", { notBefore: Schema.DateTimeUtcFromString })
])

/** A reason why a card cannot be claimed. */
export type Obstacle = typeof Obstacle.Type

/** Why a card can or cannot be claimed. `claimable` is true exactly when there are no obstacles. */
export const Explanation = Schema.Struct({
  id: CardId,
  status: Status,
  claimable: Schema.Boolean,
  obstacles: Schema.Array(Obstacle)
})

/** Why a card can or cannot be claimed. */
export interface Explanation extends Schema.Schema.Type<typeof Explanation> {}

/** Explains why a card can or cannot be claimed at `now`, given its dependencies that are not done. */
export const explain = (card: Card, unmet: ReadonlyArray<UnmetDependency>, now: DateTime.Utc): Explanation => {
  const obstacles: Array<Obstacle> = []
  if (card.status === "claimed" && card.claimOwner !== null && card.claimExpiresAt !== null) {
    obstacles.push({
      _tag: "Claimed",
      holder: card.claimOwner,
      expiresAt: card.claimExpiresAt,
      expired: isExpired(card, now)
    })
  }
  if (card.status === "blocked") obstacles.push({ _tag: "Blocked", reason: card.blockedReason })
  if (card.status === "done") obstacles.push({ _tag: "Done", completedAt: card.completedAt })
  if (card.status === "ready" && card.notBefore !== null && !isDue(card.notBefore, now)) {
    obstacles.push({ _tag: "NotYet", notBefore: card.notBefore })
  }
  if (card.status !== "done" && unmet.length > 0) obstacles.push({ _tag: "UnmetDependencies", dependencies: unmet })
  return { id: card.id, status: card.status, claimable: obstacles.length === 0, obstacles }
}

/** How a surface writes the variable parts of a sentence. */
export interface ObstacleFormat {
  /** Writes a text that came from a caller: an id, a holder or a reason. */
  readonly text: (text: string) => string
  readonly time: (time: DateTime.Utc) => string
  /** Maximum number of dependencies that are named. Defaults to all. */
  readonly maxDependencies?: number
}

/** Describes an obstacle in one sentence. */
export const describeObstacle = (obstacle: Obstacle, format: ObstacleFormat): string => {
  const { text, time } = format
  switch (obstacle._tag) {
    case "UnmetDependencies": {
      const { dependencies } = obstacle
      const { maxDependencies = dependencies.length } = format
      const named = describeDependencies(dependencies.slice(0, maxDependencies), text)
      const more = dependencies.length - maxDependencies
      return more > 0 ? `It waits for ${named} and ${more} more.` : `It waits for ${named}.`
    }
    case "Claimed":
      return obstacle.expired
        ? `The claim of ${text(obstacle.holder)} expired at ${time(obstacle.expiresAt)}; the next claim reclaims the card.`
        : `It is held by ${text(obstacle.holder)} until ${time(obstacle.expiresAt)}.`
    case "Blocked":
      return obstacle.reason === null ? "It is blocked." : `It is blocked: ${text(obstacle.reason)}`
    case "Done":
      return obstacle.completedAt === null ? "It is done." : `It has been done since ${time(obstacle.completedAt)}.`
    case "NotYet":
      return `It cannot be claimed before ${time(obstacle.notBefore)}.`
  }
}

/** Lists dependencies with their statuses: `a (claimed), b (does not exist)`. */
export const describeDependencies = (
  dependencies: ReadonlyArray<UnmetDependency>,
  text: ObstacleFormat["text"]
): string => dependencies.map(({ id, status }) => `${text(id)} (${status ?? "does not exist"})`).join(", ")
