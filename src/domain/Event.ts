import { Schema } from "effect"
import { Generation, Priority, Token, TtlSeconds, Version } from "./Card.ts"
import { CardId } from "./CardId.ts"
import { Json } from "./Json.ts"
import { Body, Name, Reason, Title } from "./Text.ts"

/** A part of an event that may have to be erased one day: a leaked secret, a person's data. */
export const ErasablePart = Schema.Literals(["title", "body", "acceptance", "result", "reason", "blockedReason"])

/** A part of an event that may have to be erased one day. */
export type ErasablePart = typeof ErasablePart.Type

/** What stands where something was erased, in events, cards and every answer. */
export const redactedText = "[redacted]"

/** Parts of one event of a card, by the event's version. */
export const EventParts = Schema.Struct({ version: Version, parts: Schema.Array(ErasablePart) })

/** Parts of one event of a card. */
export interface EventParts extends Schema.Schema.Type<typeof EventParts> {}

/*
 * Names and payloads of events are a storage format. They are never renamed or removed, only added to or upcast: see
 * events/EventCodec.ts.
 */

/** The claim that an event ended or changed: who held it, and by which token. */
const HeldClaim = Schema.Struct({ owner: Name, token: Token })

export const CardCreated = Schema.TaggedStruct("CardCreated", {
  title: Title,
  body: Schema.NullOr(Body),
  phase: Schema.NullOr(Name),
  priority: Priority,
  status: Schema.Literals(["ready", "blocked", "done"]),
  dependsOn: Schema.Array(CardId),
  acceptance: Schema.NullOr(Json),
  idempotencyKey: Schema.NullOr(Name),
  blockedReason: Schema.NullOr(Reason)
})

/** Only what changed is in it. */
export const CardRevised = Schema.TaggedStruct("CardRevised", {
  title: Schema.optionalKey(Title),
  body: Schema.optionalKey(Schema.NullOr(Body)),
  phase: Schema.optionalKey(Schema.NullOr(Name)),
  priority: Schema.optionalKey(Priority),
  acceptance: Schema.optionalKey(Schema.NullOr(Json))
})

/** The claim's token is the generation plus the version of this event. */
export const CardClaimed = Schema.TaggedStruct("CardClaimed", {
  owner: Name,
  ttlSeconds: TtlSeconds,
  expiresAt: Schema.DateTimeUtcFromString,
  generation: Generation
})

export const ClaimRenewed = Schema.TaggedStruct("ClaimRenewed", {
  owner: Name,
  token: Token,
  ttlSeconds: TtlSeconds,
  expiresAt: Schema.DateTimeUtcFromString
})

export const CardReleased = Schema.TaggedStruct("CardReleased", {
  owner: Name,
  token: Token,
  reason: Schema.NullOr(Reason),
  notBefore: Schema.NullOr(Schema.DateTimeUtcFromString)
})

export const CardReclaimed = Schema.TaggedStruct("CardReclaimed", {
  owner: Name,
  token: Token,
  expiresAt: Schema.DateTimeUtcFromString,
  why: Schema.Literals(["expired", "requested", "restored"])
})

export const CardLinked = Schema.TaggedStruct("CardLinked", { dependsOn: CardId })

export const CardUnlinked = Schema.TaggedStruct("CardUnlinked", { dependsOn: CardId })

export const CardBlocked = Schema.TaggedStruct("CardBlocked", {
  reason: Schema.NullOr(Reason),
  endedClaim: Schema.NullOr(HeldClaim)
})

export const CardUnblocked = Schema.TaggedStruct("CardUnblocked", { reason: Schema.NullOr(Reason) })

/** `overrode` names the dependencies that were not done; `claim` is the claim that it ended. */
export const CardCompleted = Schema.TaggedStruct("CardCompleted", {
  result: Schema.NullOr(Json),
  overrode: Schema.Array(CardId),
  forced: Schema.Boolean,
  claim: Schema.NullOr(HeldClaim)
})

export const CardReopened = Schema.TaggedStruct("CardReopened", { reason: Schema.NullOr(Reason) })

/** `erased` names the parts of the card's earlier events whose content is gone from the log. */
export const CardRedacted = Schema.TaggedStruct("CardRedacted", {
  erased: Schema.Array(EventParts),
  reason: Reason
})

/** What can happen to a card. */
export const Event = Schema.Union([
  CardCreated,
  CardRevised,
  CardClaimed,
  ClaimRenewed,
  CardReleased,
  CardReclaimed,
  CardLinked,
  CardUnlinked,
  CardBlocked,
  CardUnblocked,
  CardCompleted,
  CardReopened,
  CardRedacted
])

/** What can happen to a card. */
export type Event = typeof Event.Type

/** The types of events that this program knows. */
export const EventType = Schema.Literals(Event.members.map(({ fields }) => fields._tag.schema.literal))

/** A type of events that this program knows. */
export type EventType = typeof EventType.Type

/** An event that a decision made, before the log has given it its place. */
export interface DecidedEvent {
  readonly cardId: CardId
  readonly event: Event
}
