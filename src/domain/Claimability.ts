import { DateTime } from "effect"
import type { Card } from "./Card.ts"
import { type CardId, compareIds } from "./CardId.ts"

/*
 * Which cards may be claimed, and in which order. As SQL, the same definition is in the functions and the index
 * `cards_claim_order` of the migrations, and in `projections/listQueries.ts`.
 */

/**
 * Whether a card may be claimed: it is `ready`, every dependency exists and is `done`, and its retry time, if it has
 * one, has passed. Every claim, list, count and explanation follows this one definition.
 */
export const isClaimable = (
  card: Pick<Card, "status" | "notBefore">,
  unmetDependencies: number,
  now: DateTime.Utc
): boolean => card.status === "ready" && unmetDependencies === 0 && isDue(card.notBefore, now)

/** Whether a retry time has passed. A card without a retry time is always due. */
export const isDue = (notBefore: DateTime.Utc | null, now: DateTime.Utc): boolean =>
  notBefore === null || DateTime.isLessThanOrEqualTo(notBefore, now)

/** Whether the lease of a card's claim has expired, so that the card can be reclaimed. */
export const isExpired = (card: Pick<Card, "status" | "claimExpiresAt">, now: DateTime.Utc): boolean =>
  card.status === "claimed" && card.claimExpiresAt !== null && DateTime.isLessThanOrEqualTo(card.claimExpiresAt, now)

/** The fields of a card that determine its place in the claim order. */
export interface ClaimRank {
  readonly id: CardId
  readonly priority: number
  /** Milliseconds since 1970. */
  readonly createdAtMillis: number
}

/** Compares by the claim order, which is also the order of lists: priority descending, then creation time, then id. */
export const compareRanks = (left: ClaimRank, right: ClaimRank): number =>
  right.priority - left.priority || left.createdAtMillis - right.createdAtMillis || compareIds(left.id, right.id)

/** Compares two cards by the claim order. */
export const compareClaimOrder = (
  left: Pick<Card, "priority" | "createdAt" | "id">,
  right: Pick<Card, "priority" | "createdAt" | "id">
): number => compareRanks(toRank(left), toRank(right))

const toRank = ({ createdAt, id, priority }: Pick<Card, "priority" | "createdAt" | "id">): ClaimRank => ({
  id,
  priority,
  createdAtMillis: DateTime.toEpochMillis(createdAt)
})
