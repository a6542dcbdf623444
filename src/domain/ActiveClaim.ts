import { Schema } from "effect"
import { LastNote, Priority, Token, TtlSeconds } from "./Card.ts"
import { CardId } from "./CardId.ts"
import { Name, Title } from "./Text.ts"

/**
 * The claim on a card: who holds it, since when, and until when. `attempt` is the number of the card's claims, this one
 * included. `renewals` is how often this claim was renewed. An expired claim remains until it is reclaimed.
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
