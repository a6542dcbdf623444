import { Schema } from "effect"
import { CardId } from "./CardId.ts"
import { Json } from "./Json.ts"
import { Body, Name, Reason, Title } from "./Text.ts"

/** Where a card stands: waiting to be taken, held by a worker, set aside, or finished. */
export const Status = Schema.Literals(["ready", "claimed", "blocked", "done"])

/** Where a card stands. */
export type Status = typeof Status.Type

/** How urgent a card is: a 32-bit integer of any sign, greater is sooner. */
export const Priority = Schema.Finite.check(Schema.isInt32())

/** The longest that a claim can be made to last, in seconds: 30 days. */
export const maxTtlSeconds = 30 * 24 * 60 * 60

/** How long a claim lasts, in seconds: 1 second to 30 days. */
export const TtlSeconds = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: maxTtlSeconds }))

/** The lease of a claim that names none, in seconds. */
export const defaultTtlSeconds = 900

/** The last place that a card's stream of events can have. */
export const maxVersion = 2 ** 31 - 1

/** A place in a card's stream of events: 1, 2, 3 … */
export const Version = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: maxVersion }))

/** The last generation: with any version added, a token is still a whole number below 2^53. */
export const maxGeneration = 2 ** 53 - 2 ** 31

/** The generation of a backlog: 0 until it is restored or fails over, and greater after each. */
export const Generation = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: maxGeneration }))

/** The greatest token: 2^53 - 1. */
export const maxToken = Number.MAX_SAFE_INTEGER

/** Identifies a claim: the generation of the backlog plus the version of the `CardClaimed` event. */
export const Token = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: maxToken }))

/**
 * A card as everybody sees it. What is absent is `null`. `claimToken` is the backlog's generation plus the version of the
 * card's `CardClaimed` event. It only grows, is never reused, and must be given to change a claimed card. `dependsOn` is
 * ordered by id.
 */
export const Card = Schema.Struct({
  id: CardId,
  title: Title,
  body: Schema.NullOr(Body),
  phase: Schema.NullOr(Name),
  priority: Priority,
  status: Status,
  dependsOn: Schema.Array(CardId),
  claimOwner: Schema.NullOr(Name),
  claimTtlSeconds: Schema.NullOr(TtlSeconds),
  claimedAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  claimExpiresAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  claimToken: Schema.NullOr(Token),
  attempts: Schema.Int,
  notBefore: Schema.NullOr(Schema.DateTimeUtcFromString),
  idempotencyKey: Schema.NullOr(Name),
  acceptance: Schema.NullOr(Json),
  result: Schema.NullOr(Json),
  blockedReason: Schema.NullOr(Reason),
  createdAt: Schema.DateTimeUtcFromString,
  updatedAt: Schema.DateTimeUtcFromString,
  completedAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  version: Version
})

/** A card as everybody sees it. */
export interface Card extends Schema.Schema.Type<typeof Card> {}
