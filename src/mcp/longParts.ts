import { escapeHiddenInJson } from "../domain/displayText.ts"
import type { Card } from "../index.ts"

/** Parts of a card that may be long. */
export const longParts = ["body", "acceptance", "result", "dependsOn", "blockedReason"] as const

/** A part of a card that may be long. */
export type LongPart = (typeof longParts)[number]

/** Such a part as text: JSON, unless it is text anyway. */
export const partText = (card: Card, part: LongPart): string | undefined => {
  const value = card[part]
  if (value === null) return undefined
  return typeof value === "string" && part !== "acceptance" && part !== "result"
    ? value
    : escapeHiddenInJson(JSON.stringify(value))
}
