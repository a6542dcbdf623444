import { Schema } from "effect"
import { Version } from "./Card.ts"

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
