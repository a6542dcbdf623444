import { type Result, Schema } from "effect"
import { Version } from "../domain/Card.ts"
import { CardId } from "../domain/CardId.ts"
import { ErasablePart, type Event, redactedText } from "../domain/Event.ts"
import { Name } from "../domain/Text.ts"
import { decodeEvent, type UndecodableEvent } from "./EventCodec.ts"

/** A place in the whole log: 1, 2, 3 … with no holes, in commit order. */
export const Position = Schema.Int.check(Schema.isGreaterThan(0))

/**
 * An event as the log holds it, whether or not this program knows its type. `occurredAt` is business time (imports
 * set it), `recordedAt` the database's clock, which never goes back from one position to the next. `redacted` names the
 * parts of `data` that were erased, and that are therefore missing in it. Hashes are in hexadecimal.
 */
export const RecordedEvent = Schema.Struct({
  position: Position,
  cardId: CardId,
  version: Version,
  type: Schema.String,
  schemaVersion: Schema.Int,
  data: Schema.Record(Schema.String, Schema.Json),
  redacted: Schema.Array(ErasablePart),
  actor: Name,
  correlationId: Schema.NullOr(Name),
  causationId: Schema.NullOr(Name),
  commandId: Schema.NullOr(Name),
  occurredAt: Schema.DateTimeUtcFromString,
  recordedAt: Schema.DateTimeUtcFromString,
  contentHash: Schema.String,
  chainHash: Schema.String
})

/** An event as the log holds it. */
export interface RecordedEvent extends Schema.Schema.Type<typeof RecordedEvent> {}

/** The domain's event in a recorded one, `[redacted]` where something was erased; or why it cannot be read. */
export const decodeRecordedEvent = (
  recorded: Pick<RecordedEvent, "type" | "schemaVersion" | "data" | "redacted">
): Result.Result<Event, UndecodableEvent> => {
  if (recorded.redacted.length === 0) return decodeEvent(recorded)
  const data: Record<string, Schema.Json> = { ...recorded.data }
  for (const part of recorded.redacted) data[part] = redactedText
  return decodeEvent({ type: recorded.type, schemaVersion: recorded.schemaVersion, data })
}
