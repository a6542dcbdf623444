import { Schema } from "effect"
import { type Card, Version } from "./Card.ts"
import { CardId } from "./CardId.ts"
import { noEvents, type Decision, oneEvent } from "./Decision.ts"
import { ErasablePart, type EventParts } from "./Event.ts"
import { Name, Reason } from "./Text.ts"

/** Erases fields of a card's events: of all events that have them, or only of the event `version`. */
export const Redact = Schema.Struct({
  id: CardId,
  parts: Schema.Array(ErasablePart).check(Schema.isMinLength(1)),
  version: Schema.optional(Version),
  reason: Reason.check(Schema.isMinLength(1)),
  actor: Name,
  correlationId: Schema.optional(Name),
  causationId: Schema.optional(Name),
  commandId: Schema.optional(Name)
})

/** Erases fields of a card's events. */
export interface Redact extends Schema.Schema.Type<typeof Redact> {}

/** The fields of an event that can still be erased. */
export interface ErasableEvent extends EventParts {
  /** Whether the event is a redaction itself. */
  readonly isRedaction: boolean
}

/**
 * Decides what to erase, given the erasable fields of each of the card's events. Returns no events when nothing is left to
 * erase. The reasons of earlier redactions remain, unless `version` names that redaction.
 */
export const redact = (card: Card, held: ReadonlyArray<ErasableEvent>, command: Redact): Decision => {
  const erased = held
    .filter(({ isRedaction, version }) => (command.version === undefined ? !isRedaction : version === command.version))
    .map(({ parts, version }) => ({ version, parts: parts.filter((part) => command.parts.includes(part)) }))
    .filter(({ parts }) => parts.length > 0)
  return erased.length === 0 ? noEvents : oneEvent(card.id, { _tag: "CardRedacted", erased, reason: command.reason })
}
