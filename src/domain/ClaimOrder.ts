import { DateTime } from "effect"
import type { Card } from "./Card.ts"
import { compareIds } from "./CardId.ts"

/** The order in which cards are claimed and listed: greater priority first, then the older, then by id. */
export const compareClaimOrder = (
  left: Pick<Card, "priority" | "createdAt" | "id">,
  right: Pick<Card, "priority" | "createdAt" | "id">
): number =>
  right.priority - left.priority ||
  DateTime.toEpochMillis(left.createdAt) - DateTime.toEpochMillis(right.createdAt) ||
  compareIds(left.id, right.id)
