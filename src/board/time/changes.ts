import type { Card, CardDiff } from "../api/types.ts"

/** How a field of a card changed, for the reader. `undefined` is no value, or one too long to show. */
export interface FieldChange {
  readonly field: string
  readonly before: string | undefined
  readonly after: string | undefined
  /** Whether the values are texts or data that are not shown here. */
  readonly isLong: boolean
  /** Whether the values are times. */
  readonly isTime: boolean
}

const names: Readonly<Record<string, string>> = {
  claimOwner: "owner",
  claimExpiresAt: "lease",
  dependsOn: "dependencies",
  blockedReason: "reason",
  notBefore: "deferred until",
  noteCount: "notes",
  acceptance: "acceptance criteria"
}

/** Fields that change with others, and say nothing more. */
const redundant: ReadonlySet<string> = new Set([
  "id",
  "createdAt",
  "completedAt",
  "claimToken",
  "claimTtlSeconds",
  "claimedAt",
  "lastNote",
  "claimExpiresAt"
])

/** Longer values are not shown. */
const maxLength = 60

/** Returns how the fields of a card changed that a reader wants to know. */
export const fieldChanges = ({ after, before, fields }: CardDiff): ReadonlyArray<FieldChange> => {
  if (before === null) return []
  return fields
    .filter((field) => !redundant.has(field))
    .map((field) => {
      const values = [before, after].map((card) => valueOf(card, field))
      const [old, next] = values
      const isLong = values.some((value) => (value?.length ?? 0) > maxLength)
      const change = {
        field: names[field] ?? field.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`),
        isLong,
        isTime: field === "notBefore"
      }
      return isLong ? { ...change, before: undefined, after: undefined } : { ...change, before: old, after: next }
    })
}

const valueOf = (card: Card, field: string): string | undefined => {
  const value = (card as Readonly<Record<string, unknown>>)[field]
  if (value === null || value === undefined || value === "") return undefined
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.join(", ")
  return typeof value === "string" ? value : JSON.stringify(value)
}

/** Numbers of cards: created, completed, changed otherwise, and as before because their events undid each other. */
export interface ChangeCounts {
  readonly created: number
  readonly completed: number
  readonly changed: number
  readonly unchanged: number
}

/** Counts the cards of a comparison, each once. */
export const countChanges = (diffs: ReadonlyArray<CardDiff>): ChangeCounts => {
  const counts = { created: 0, completed: 0, changed: 0, unchanged: 0 }
  for (const { after, before, fields } of diffs) {
    if (before === null) counts.created++
    else if (after.status === "done" && before.status !== "done") counts.completed++
    else if (fields.length > 0) counts.changed++
    else counts.unchanged++
  }
  return counts
}
