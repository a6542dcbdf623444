import canonicalize from "canonicalize"
import { DateTime } from "effect"
import { createHash } from "node:crypto"
import { jsonEquals } from "../domain/Json.ts"
import type { Card } from "../index.ts"
import type { Issue } from "./Source.ts"

/** What an issue states about a card, without dependencies. */
export type CardContent = Issue["card"]

/** The fields in which a card is compared with an issue. */
interface Comparable {
  readonly title: string
  readonly body: string | null
  readonly phase: string | null
  readonly labels: ReadonlyArray<string>
  readonly priority: number
  readonly acceptance: unknown
  readonly createdAt: number | null
  readonly idempotencyKey: string | null
}

/** A field that the issue does not state is `null`. */
const comparableContent = (content: CardContent): Comparable => ({
  title: content.title,
  body: content.body ?? null,
  phase: content.phase ?? null,
  labels: [...new Set(content.labels)].sort(),
  priority: content.priority ?? 0,
  acceptance: content.acceptance ?? null,
  createdAt: content.occurredAt === undefined ? null : DateTime.toEpochMillis(content.occurredAt),
  idempotencyKey: content.idempotencyKey ?? null
})

const comparableCard = (card: Card, stated: Pick<Comparable, "createdAt" | "idempotencyKey">): Comparable => ({
  title: card.title,
  body: card.body,
  phase: card.phase,
  labels: card.labels.toSorted(),
  priority: card.priority,
  acceptance: card.acceptance,
  createdAt: stated.createdAt === null ? null : DateTime.toEpochMillis(card.createdAt),
  idempotencyKey: stated.idempotencyKey === null ? null : card.idempotencyKey
})

/** Bytes of the hash that a digest keeps. */
const digestBytes = 18

const digest = (comparable: Comparable): string =>
  createHash("sha256")
    .update(canonicalize(comparable) ?? "")
    .digest()
    // Encodes a part: a slice of the whole text would keep the whole text in memory.
    .toString("base64url", 0, digestBytes)

/** Digests what an issue states, so that the import need not hold its texts: 144 bits of a hash. */
export const digestContent = (content: CardContent): string => digest(comparableContent(content))

/** Digests the same fields of a card, with its time and its idempotency key only where the issue states them. */
export const digestCard = (card: Card, planned: { readonly hasTime: boolean; readonly hasKey: boolean }): string =>
  digest(comparableCard(card, { createdAt: planned.hasTime ? 0 : null, idempotencyKey: planned.hasKey ? "" : null }))

/** Returns the fields in which a card differs from what an issue states. */
export const compareContent = (content: CardContent, card: Card): ReadonlyArray<string> => {
  const stated = comparableContent(content)
  const existing = comparableCard(card, stated)
  return (Object.keys(stated) as ReadonlyArray<keyof Comparable>).filter(
    (field) => !jsonEquals(stated[field], existing[field])
  )
}
