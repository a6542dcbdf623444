/*
 * Storage format: the names and payloads of events. They are never renamed or removed, only extended or upcast. See
 * `events/EventCodec.ts` and docs/evolution.md.
 */
import { Schema } from "effect"
import { Generation, Labels, Priority, Token, TtlSeconds, Version } from "./Card.ts"
import { CardId } from "./CardId.ts"
import { Json } from "./Json.ts"
import { Body, Name, NoteText, Reason, Title } from "./Text.ts"

/** The claim that an event ended or changed: its owner and token. */
const HeldClaim = Schema.Struct({ owner: Name, token: Token })

/** A card was created, with its initial status and its dependencies. */
export const CardCreated = Schema.TaggedStruct("CardCreated", {
  title: Title,
  body: Schema.NullOr(Body),
  phase: Schema.NullOr(Name),
  priority: Priority,
  status: Schema.Literals(["ready", "blocked", "done"]),
  dependsOn: Schema.Array(CardId),
  acceptance: Schema.NullOr(Json),
  idempotencyKey: Schema.NullOr(Name),
  blockedReason: Schema.NullOr(Reason),
  labels: Labels,
  notBefore: Schema.NullOr(Schema.DateTimeUtcFromString)
})

/** A card was revised. Contains only the fields that changed. `labels` are all labels after the change. */
export const CardRevised = Schema.TaggedStruct("CardRevised", {
  title: Schema.optionalKey(Title),
  body: Schema.optionalKey(Schema.NullOr(Body)),
  phase: Schema.optionalKey(Schema.NullOr(Name)),
  priority: Schema.optionalKey(Priority),
  acceptance: Schema.optionalKey(Schema.NullOr(Json)),
  labels: Schema.optionalKey(Labels),
  notBefore: Schema.optionalKey(Schema.NullOr(Schema.DateTimeUtcFromString))
})

/** A note was appended. `claim` is the current claim if the command had its token; otherwise `null`. */
export const CardNoted = Schema.TaggedStruct("CardNoted", { text: NoteText, claim: Schema.NullOr(HeldClaim) })

/** A card was claimed. The claim's token is the generation plus the version of this event. */
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

/** A claim ended: it expired and was reclaimed, it was reclaimed on request, or the backlog was restored. */
export const CardReclaimed = Schema.TaggedStruct("CardReclaimed", {
  owner: Name,
  token: Token,
  expiresAt: Schema.DateTimeUtcFromString,
  why: Schema.Literals(["expired", "requested", "restored"])
})

/** A dependency was added. */
export const CardLinked = Schema.TaggedStruct("CardLinked", { dependsOn: CardId })

/** A dependency was removed. */
export const CardUnlinked = Schema.TaggedStruct("CardUnlinked", { dependsOn: CardId })

/** A card was blocked. `endedClaim` is the claim that this ended; `null` if there was none. */
export const CardBlocked = Schema.TaggedStruct("CardBlocked", {
  reason: Schema.NullOr(Reason),
  endedClaim: Schema.NullOr(HeldClaim)
})

/** A blocked card became ready. */
export const CardUnblocked = Schema.TaggedStruct("CardUnblocked", { reason: Schema.NullOr(Reason) })

/** A card was completed. `overrode` lists the dependencies that were not done; `claim` is the claim that this ended. */
export const CardCompleted = Schema.TaggedStruct("CardCompleted", {
  result: Schema.NullOr(Json),
  overrode: Schema.Array(CardId),
  forced: Schema.Boolean,
  claim: Schema.NullOr(HeldClaim)
})

/** A card that was done became ready. */
export const CardReopened = Schema.TaggedStruct("CardReopened", { reason: Schema.NullOr(Reason) })

/** The fields of events that a redaction can erase: texts and JSON that may contain secrets or personal data. */
export const ErasablePart = Schema.Literals([
  "title",
  "body",
  "acceptance",
  "result",
  "reason",
  "blockedReason",
  "text"
])

/** A field of an event that a redaction can erase. */
export type ErasablePart = typeof ErasablePart.Type

/** The text that replaces erased values in events, cards and answers. */
export const redactedText = "[redacted]"

/** Erasable fields of one event of a card; `version` identifies the event. */
export const EventParts = Schema.Struct({ version: Version, parts: Schema.Array(ErasablePart) })

/** Erasable fields of one event of a card. */
export interface EventParts extends Schema.Schema.Type<typeof EventParts> {}

/** Texts were erased. `erased` lists the fields of the card's earlier events that were erased from the log. */
export const CardRedacted = Schema.TaggedStruct("CardRedacted", {
  erased: Schema.Array(EventParts),
  reason: Reason
})

/** An event of a card. */
export const Event = Schema.Union([
  CardCreated,
  CardRevised,
  CardNoted,
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

/** An event of a card. */
export type Event = typeof Event.Type

/** The event types that this version of the program can read. */
export const EventType = Schema.Literals(Event.members.map(({ fields }) => fields._tag.schema.literal))

/** An event type that this version of the program can read. */
export type EventType = typeof EventType.Type

/** An event that `decide` returns, before the log assigns its position and version. */
export interface DecidedEvent {
  readonly cardId: CardId
  readonly event: Event
}
