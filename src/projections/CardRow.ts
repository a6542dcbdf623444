import { Schema } from "effect"
import { Card } from "../domain/Card.ts"

/** A row of `cards` with the card's dependencies: times as the driver gives them. */
const CardRow = Schema.Struct({
  ...Card.fields,
  claimedAt: Schema.NullOr(Schema.DateTimeUtcFromDate),
  claimExpiresAt: Schema.NullOr(Schema.DateTimeUtcFromDate),
  notBefore: Schema.NullOr(Schema.DateTimeUtcFromDate),
  createdAt: Schema.DateTimeUtcFromDate,
  updatedAt: Schema.DateTimeUtcFromDate,
  completedAt: Schema.NullOr(Schema.DateTimeUtcFromDate)
})

/** A card and its counter. */
export interface CountedCard {
  readonly card: Card
  readonly unmetDependencies: number
}

const decodeCard = Schema.decodeUnknownSync(CardRow)
const decodeCount = Schema.decodeUnknownSync(Schema.Int)

/** Decodes a row of the columns in `CardTables`. Throws when the row is not a card: the read model is damaged. */
export const decodeCountedCard = (row: object): CountedCard => {
  const { unmetDependencies, ...card } = row as Record<string, unknown>
  return { card: decodeCard(card), unmetDependencies: decodeCount(unmetDependencies) }
}
