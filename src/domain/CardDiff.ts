import { Schema } from "effect"
import { Card } from "./Card.ts"
import { CardId } from "./CardId.ts"

/**
 * How a card changed between two moments. `before` is null if it did not exist at the first. `fields` are the fields of `Card`
 * that differ, except `version` and `updatedAt`, which every event changes. They are empty if events undid each other.
 */
export const CardDiff = Schema.Struct({
  id: CardId,
  before: Schema.NullOr(Card),
  after: Card,
  fields: Schema.Array(Schema.String)
})

/** How a card changed between two moments. */
export interface CardDiff extends Schema.Schema.Type<typeof CardDiff> {}

const encodeCard = Schema.encodeSync(Card)

/** Compares two states of a card. Without `before`, every field that has a value differs. */
export const diffCard = (before: Card | null, after: Card): CardDiff => {
  const earlier: Readonly<Record<string, unknown>> = before === null ? {} : encodeCard(before)
  const fields = Object.entries(encodeCard(after))
    .filter(([field, value]) => field !== "version" && field !== "updatedAt" && !isSame(earlier[field] ?? null, value))
    .map(([field]) => field)
  return { id: after.id, before, after, fields }
}

const isSame = (left: unknown, right: unknown): boolean => JSON.stringify(left) === JSON.stringify(right)
