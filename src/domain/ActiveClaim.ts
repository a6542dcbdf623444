import { Schema } from "effect"
import { LastNote, Priority, Token, TtlSeconds } from "./Card.ts"
import { CardId } from "./CardId.ts"
import { Name, Title } from "./Text.ts"

/**
 * The claim on a card: its holder, its beginning and its expiry. `attempt` is the number of the card's claims, including this
 * one. `renewals` is the number of renewals of this claim. An expired claim remains until it is reclaimed.
 */
export const ActiveClaim = Schema.Struct({
  id: CardId,
  title: Title,
  phase: Schema.NullOr(Name),
  labels: Schema.Array(Name),
  priority: Priority,
  owner: Name,
  token: Token,
  ttlSeconds: TtlSeconds,
  claimedAt: Schema.DateTimeUtcFromString,
  expiresAt: Schema.DateTimeUtcFromString,
  expired: Schema.Boolean,
  attempt: Schema.Int,
  renewals: Schema.Int,
  lastNote: Schema.NullOr(LastNote)
})

/** The claim on a card. */
export interface ActiveClaim extends Schema.Schema.Type<typeof ActiveClaim> {}
