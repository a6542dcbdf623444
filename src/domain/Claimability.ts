import { DateTime } from "effect"
import type { Card } from "./Card.ts"

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
