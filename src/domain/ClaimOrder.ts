import { DateTime } from "effect"
import type { Card } from "./Card.ts"
import { type CardId, compareIds } from "./CardId.ts"

/** What a card's place in the order of claims depends on. */
export interface ClaimRank {
  readonly id: CardId
  readonly priority: number
  /** Milliseconds since 1970. */
  readonly createdAtMillis: number
}

/** The order in which cards are claimed and listed: greater priority first, then the older, then by id. */
export const compareRanks = (left: ClaimRank, right: ClaimRank): number =>
  right.priority - left.priority || left.createdAtMillis - right.createdAtMillis || compareIds(left.id, right.id)

/** The same order, of cards. */
export const compareClaimOrder = (
  left: Pick<Card, "priority" | "createdAt" | "id">,
  right: Pick<Card, "priority" | "createdAt" | "id">
): number => compareRanks(rankOf(left), rankOf(right))

const rankOf = ({ createdAt, id, priority }: Pick<Card, "priority" | "createdAt" | "id">): ClaimRank => ({
  id,
  priority,
  createdAtMillis: DateTime.toEpochMillis(createdAt)
})
