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

/**
 * Whether a card may be claimed: it is `ready`, every dependency exists and is `done`, and its retry time, if it has
 * one, has passed. Every claim, list, count and explanation follows this one definition.
 */
export const isClaimable = (
  card: Pick<Card, "status" | "notBefore">,
  unmetDependencies: number,
  now: DateTime.Utc
): boolean => card.status === "ready" && unmetDependencies === 0 && isDue(card.notBefore, now)

/** Whether a retry time has passed; a card without one is always due. */
export const isDue = (notBefore: DateTime.Utc | null, now: DateTime.Utc): boolean =>
  notBefore === null || DateTime.isLessThanOrEqualTo(notBefore, now)

/** Whether a claim's lease has run out, so that anyone may take the card over. */
export const isExpired = (card: Pick<Card, "status" | "claimExpiresAt">, now: DateTime.Utc): boolean =>
  card.status === "claimed" && card.claimExpiresAt !== null && DateTime.isLessThanOrEqualTo(card.claimExpiresAt, now)
