import { type Result, Schema } from "effect"
import { Version } from "../domain/Card.ts"
import { CardId } from "../domain/CardId.ts"
import { ErasablePart, type Event, type EventType, redactedText } from "../domain/Event.ts"
import { Name } from "../domain/Text.ts"
import { decodeEvent, type UndecodableEvent } from "./EventCodec.ts"

/** The position of an event in the log: 1, 2, 3 … without gaps, in commit order. */
export const Position = Schema.Int.check(Schema.isGreaterThan(0))

/**
 * The type of a recorded event. A newer program that shares the backlog may have written a type that this one does not know,
 * so the union is open: editors complete the known types, and `Schema.is(EventType)` narrows to them.
 */
export type RecordedEventType = EventType | (string & Record<never, never>)

const RecordedEventType = Schema.String as unknown as Schema.Codec<RecordedEventType, string>

/**
 * An event of the log, even of a type that this program does not know. `occurredAt` is the business time, which imports set.
 * `recordedAt` is the time of the database; it never decreases from one position to the next. `redacted` lists the fields of
 * `data` that were erased and are missing. Hashes are in hexadecimal.
 */
export const RecordedEvent = Schema.Struct({
  /** The place of the event in the log: 1, 2, 3 … without gaps, in commit order. */
  position: Position,
  /** The card of the event. */
  cardId: CardId,
  /** The place of the event in the stream of its card: 1, 2, 3 … */
  version: Version,
  /** The type of the event. */
  type: RecordedEventType,
  /** The schema version of `data`. */
  schemaVersion: Schema.Int,
  /** The payload as it was written. */
  data: Schema.Record(Schema.String, Schema.Json),
  /** The fields of `data` that were erased and are missing. */
  redacted: Schema.Array(ErasablePart),
  /** The actor that caused the event. */
  actor: Name,
  /** The id that events which belong together share. */
  correlationId: Schema.NullOr(Name),
  /** What caused the command, as its caller named it. */
  causationId: Schema.NullOr(Name),
  /** The id of the command, if it had one. */
  commandId: Schema.NullOr(Name),
  /** The business time, which imports set. */
  occurredAt: Schema.DateTimeUtcFromString,
  /** The time of the database. It never decreases from one position to the next. */
  recordedAt: Schema.DateTimeUtcFromString,
  /** SHA-256 of the content of the event, in hexadecimal. */
  contentHash: Schema.String,
  /** SHA-256 of the previous chain hash and the content hash, in hexadecimal. */
  chainHash: Schema.String
})

/** An event of the log. */
export interface RecordedEvent extends Schema.Schema.Type<typeof RecordedEvent> {}

/** Decodes the domain event of a recorded event. Erased fields are `[redacted]`. */
export const decodeRecordedEvent = (
  recorded: Pick<RecordedEvent, "type" | "schemaVersion" | "data" | "redacted">
): Result.Result<Event, UndecodableEvent> => {
  if (recorded.redacted.length === 0) return decodeEvent(recorded)
  const data: Record<string, Schema.Json> = { ...recorded.data }
  for (const part of recorded.redacted) data[part] = redactedText
  return decodeEvent({ type: recorded.type, schemaVersion: recorded.schemaVersion, data })
}
