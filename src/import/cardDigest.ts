import canonicalize from "canonicalize"
import { DateTime } from "effect"
import { createHash } from "node:crypto"
import { jsonEquals } from "../domain/Json.ts"
import type { Card } from "../index.ts"
import type { Issue } from "./Source.ts"

/** What an import says of a card, but for its dependencies and its status. */
export type CardContent = Issue["card"]

/** The same fields of a card, for comparison with what is to be imported. */
interface Comparable {
  readonly title: string
  readonly body: string | null
  readonly phase: string | null
  readonly priority: number
  readonly acceptance: unknown
  readonly createdAt: number | null
  readonly idempotencyKey: string | null
}

/** What an issue says; what it says nothing of is `null`. */
const ofContent = (content: CardContent): Comparable => ({
  title: content.title,
  body: content.body ?? null,
  phase: content.phase ?? null,
  priority: content.priority ?? 0,
  acceptance: content.acceptance ?? null,
  createdAt: content.occurredAt === undefined ? null : DateTime.toEpochMillis(content.occurredAt),
  idempotencyKey: content.idempotencyKey ?? null
})

const ofCard = (card: Card, says: Pick<Comparable, "createdAt" | "idempotencyKey">): Comparable => ({
  title: card.title,
  body: card.body,
  phase: card.phase,
  priority: card.priority,
  acceptance: card.acceptance,
  createdAt: says.createdAt === null ? null : DateTime.toEpochMillis(card.createdAt),
  idempotencyKey: says.idempotencyKey === null ? null : card.idempotencyKey
})

/** Bytes of the hash that are kept. */
const digestBytes = 18

const digest = (comparable: Comparable): string =>
  createHash("sha256")
    .update(canonicalize(comparable) ?? "")
    .digest()
    // Not a piece of a longer text, which would be kept with it.
    .toString("base64url", 0, digestBytes)

/** Stands for what an issue says, so that it need not be kept: 144 bits of a hash. */
export const digestContent = (content: CardContent): string => digest(ofContent(content))

/** The same of a card, as far as the issue says anything: of its time and its idempotency key it may say nothing. */
export const digestCard = (card: Card, says: { readonly time: boolean; readonly key: boolean }): string =>
  digest(ofCard(card, { createdAt: says.time ? 0 : null, idempotencyKey: says.key ? "" : null }))

/** In which of these fields a card is not what an issue says. */
export const compareContent = (content: CardContent, card: Card): ReadonlyArray<string> => {
  const said = ofContent(content)
  const found = ofCard(card, said)
  return (Object.keys(said) as ReadonlyArray<keyof Comparable>).filter(
    (field) => !jsonEquals(said[field], found[field])
  )
}
