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
export const CountedCardRow = Schema.Struct({ card: CardRow, unmetDependencies: Schema.Int })

/** A card and its counter. */
export interface CountedCard extends Schema.Schema.Type<typeof CountedCardRow> {}

const decodeCard = Schema.decodeUnknownSync(CardRow)

/** Decodes a row selected by `selectCards`. Throws when the row is not a card: the read model is damaged. */
export const decodeCountedCard = (row: object): CountedCard => {
  const { unmetDependencies, ...card } = row as Record<string, unknown>
  return { card: decodeCard(card), unmetDependencies: unmetDependencies as number }
}
