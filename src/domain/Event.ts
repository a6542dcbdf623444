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

/** A card was created. */
export const CardCreated = Schema.TaggedStruct("CardCreated", {
  title: Title,
  body: Schema.NullOr(Body),
  phase: Schema.NullOr(Name),
  priority: Priority,
  /** The initial status. */
  status: Schema.Literals(["ready", "blocked", "done"]),
  /** The cards on which it depends. They need not exist yet. */
  dependsOn: Schema.Array(CardId),
  /** The criteria for acceptance. */
  acceptance: Schema.NullOr(Json),
  /** A second `Create` with this key returns the card. */
  idempotencyKey: Schema.NullOr(Name),
  /** Why its initial status is `blocked`. */
  blockedReason: Schema.NullOr(Reason),
  labels: Labels,
  /** The card cannot be claimed before this time. */
  notBefore: Schema.NullOr(Schema.DateTimeUtcFromString)
})

/** Fields of a card were changed. Contains only the fields that changed. */
export const CardRevised = Schema.TaggedStruct("CardRevised", {
  title: Schema.optionalKey(Title),
  body: Schema.optionalKey(Schema.NullOr(Body)),
  phase: Schema.optionalKey(Schema.NullOr(Name)),
  priority: Schema.optionalKey(Priority),
  acceptance: Schema.optionalKey(Schema.NullOr(Json)),
  /** All labels after the change. */
  labels: Schema.optionalKey(Labels),
  /** The card cannot be claimed before this time. */
  notBefore: Schema.optionalKey(Schema.NullOr(Schema.DateTimeUtcFromString))
})

/** A note was written on a card. */
export const CardNoted = Schema.TaggedStruct("CardNoted", {
  text: NoteText,
  /** The current claim, if the command had its token. */
  claim: Schema.NullOr(HeldClaim)
})

/** A card was claimed. The claim's token is the generation plus the version of this event. */
export const CardClaimed = Schema.TaggedStruct("CardClaimed", {
  owner: Name,
  ttlSeconds: TtlSeconds,
  /** When the lease expires. */
  expiresAt: Schema.DateTimeUtcFromString,
  /** The generation of the backlog: 0 at first, greater after each restore and failover. */
  generation: Generation
})

/** The lease of a claim was extended. */
export const ClaimRenewed = Schema.TaggedStruct("ClaimRenewed", {
  owner: Name,
  token: Token,
  ttlSeconds: TtlSeconds,
  /** When the lease expires now. */
  expiresAt: Schema.DateTimeUtcFromString
})

/** The holder of a claim released the card, which is ready again. */
export const CardReleased = Schema.TaggedStruct("CardReleased", {
  owner: Name,
  token: Token,
  reason: Schema.NullOr(Reason),
  /** The card cannot be claimed before this time. The attempt counts as failed if there is one. */
  notBefore: Schema.NullOr(Schema.DateTimeUtcFromString)
})

/** A claim was ended without its holder, and the card is ready again. */
export const CardReclaimed = Schema.TaggedStruct("CardReclaimed", {
  /** The previous owner. */
  owner: Name,
  /** The token of the ended claim. */
  token: Token,
  /** When its lease expired, or would have expired. */
  expiresAt: Schema.DateTimeUtcFromString,
  why: Schema.Literals(["expired", "requested", "restored"])
})

/** A dependency was added. */
export const CardLinked = Schema.TaggedStruct("CardLinked", { dependsOn: CardId })

/** A dependency was removed. */
export const CardUnlinked = Schema.TaggedStruct("CardUnlinked", { dependsOn: CardId })

/** A card was blocked. */
export const CardBlocked = Schema.TaggedStruct("CardBlocked", {
  reason: Schema.NullOr(Reason),
  /** The claim that the event ended. */
  endedClaim: Schema.NullOr(HeldClaim)
})

/** A blocked card was unblocked. */
export const CardUnblocked = Schema.TaggedStruct("CardUnblocked", { reason: Schema.NullOr(Reason) })

/** A card was completed. */
export const CardCompleted = Schema.TaggedStruct("CardCompleted", {
  result: Schema.NullOr(Json),
  /** The dependencies that were not done. */
  overrode: Schema.Array(CardId),
  /** Whether `force` overrode the holder. */
  forced: Schema.Boolean,
  /** The claim that the event ended. */
  claim: Schema.NullOr(HeldClaim)
})

/** A done card was reopened. */
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

/** Fields of a card's earlier events were erased from the log. */
export const CardRedacted = Schema.TaggedStruct("CardRedacted", {
  /** The erased fields, by the versions of their events. */
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
