import { DateTime, Result, Schema } from "effect"
import { Version } from "../domain/Card.ts"
import { CardId } from "../domain/CardId.ts"
import type { ErasablePart, Event } from "../domain/Event.ts"
import { isName, Name } from "../domain/Text.ts"
import { truncateMessage } from "../domain/displayText.ts"
import { type Commitments, contentHash, erasableFields, saltPattern } from "./ContentHash.ts"
import { decodeEvent, type UndecodableEvent } from "./EventCodec.ts"
import { decodeRecordedEvent, Position, type RecordedEvent } from "./RecordedEvent.ts"

const hashPattern = /^[0-9a-f]{64}$/
const Hash = Schema.String.check(Schema.isPattern(hashPattern))

/** As the log writes times: the one text that a whole number of milliseconds has. */
const Instant = Schema.String.check(
  Schema.makeFilter(
    (text) => {
      const time = Date.parse(text)
      return !Number.isNaN(time) && new Date(time).toISOString() === text
    },
    { expected: "a time in ISO 8601, in UTC with milliseconds" }
  )
)

/**
 * An event with all that its row holds: what is hashed, what the hashes are, and the salts of what may be erased. Times
 * are ISO-8601 text in UTC, with milliseconds as the log writes them. This is also a line of an exported log.
 */
export const StoredEvent = Schema.Struct({
  position: Position,
  cardId: CardId,
  version: Version,
  type: Schema.String,
  schemaVersion: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 2 ** 31 - 1 })),
  data: Schema.Record(Schema.String, Schema.Json),
  commitments: Schema.Record(
    Schema.String,
    Schema.Struct({ salt: Schema.optionalKey(Schema.String.check(Schema.isPattern(saltPattern))), sha256: Hash })
  ),
  actor: Name,
  correlationId: Schema.NullOr(Name),
  causationId: Schema.NullOr(Name),
  commandId: Schema.NullOr(Name),
  occurredAt: Instant,
  recordedAt: Instant,
  contentHash: Hash,
  chainHash: Hash
})

/** An event with all that its row holds. */
export interface StoredEvent extends Schema.Schema.Type<typeof StoredEvent> {}

/** An event whose row is not what an event's row can be: somebody altered it. */
export class DamagedEvent extends Schema.TaggedError<DamagedEvent>()("DamagedEvent", {
  position: Schema.Finite,
  cardId: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `The event of card ${JSON.stringify(this.cardId)} at position ${this.position} is damaged, so nothing that goes by it can be told: verify the log. ${this.problem}`
  }
}

/** A row as the log's queries give it: JSON and times as text, so that nothing is lost before it is looked at. */
export interface EventRow extends Omit<StoredEvent, "data" | "commitments" | "cardId"> {
  readonly cardId: string
  readonly data: string
  readonly commitments: string
}

const decode = Schema.decodeUnknownResult(StoredEvent, { onExcessProperty: "error" })

/** Decodes what should be a stored event; the failure says in words what it is not. */
export const parseStoredEvent = (value: unknown): Result.Result<StoredEvent, string> => {
  try {
    return Result.mapError(decode(value), (error) => truncateMessage(error.message))
  } catch (cause) {
    // A payload that nests without end exhausts the stack of whoever follows it.
    return Result.fail(truncateMessage(String(cause)))
  }
}

/**
 * Decodes a row; the failure says in words what is wrong with it. By hand, where a schema would take half of the time
 * that verifying or rebuilding a long log takes: the columns' types and the query that made the texts leave little to
 * be wrong.
 */
export const decodeRow = (row: EventRow): Result.Result<StoredEvent, string> => {
  let data: unknown
  let commitments: unknown
  try {
    data = JSON.parse(row.data)
    commitments = row.commitments === "{}" ? noCommitments : JSON.parse(row.commitments)
  } catch (cause) {
    return Result.fail(String(cause))
  }
  if (!isObject(data)) return Result.fail("data is not a JSON object")
  if (!isObject(commitments) || !Object.values(commitments).every(isCommitment)) {
    return Result.fail("commitments are not salts and hashes by name")
  }
  if (!isTime(row.occurredAt) || !isTime(row.recordedAt)) return Result.fail("a time is out of range")
  for (const column of names) {
    const name = row[column]
    if (name !== null && !isName(name)) return Result.fail(`${JSON.stringify(name)} is not a name`)
  }
  // The row is this function's caller's own: its texts make way for what they say.
  const stored = row as unknown as { data: unknown; commitments: unknown }
  stored.data = data
  stored.commitments = commitments
  return Result.succeed(row as unknown as StoredEvent)
}

const names = ["cardId", "actor", "correlationId", "causationId", "commandId"] as const

const noCommitments: Commitments = {}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isCommitment = (value: unknown): boolean =>
  isObject(value) &&
  isText(value["sha256"], hashPattern) &&
  (value["salt"] === undefined || isText(value["salt"], saltPattern)) &&
  Object.keys(value).length === (value["salt"] === undefined ? 1 : 2)

const isText = (value: unknown, pattern: RegExp): boolean => typeof value === "string" && pattern.test(value)

/** With milliseconds, or with the microseconds that only somebody else can have written. */
const timePattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(?:\d{3})?Z$/

const isTime = (text: string): boolean => timePattern.test(text)

/** The parts of an event that were erased: committed to, and without their salt. */
export const erasedParts = ({ commitments }: Pick<StoredEvent, "commitments">): ReadonlyArray<ErasablePart> => {
  let erased: Array<ErasablePart> | undefined
  for (const part in commitments) {
    if (commitments[part]?.salt === undefined && erasableFields.has(part)) (erased ??= []).push(part as ErasablePart)
  }
  return erased ?? nothing
}

const nothing: ReadonlyArray<ErasablePart> = []

/** The domain's event in a stored one, or why it cannot be read. */
export const decodeStoredEvent = (stored: StoredEvent): Result.Result<Event, UndecodableEvent> => {
  const redacted = erasedParts(stored)
  return redacted.length === 0 ? decodeEvent(stored) : decodeRecordedEvent({ ...stored, redacted })
}

/** The parts of an event that could still be erased. */
export const erasableParts = (event: Pick<StoredEvent, "commitments">): ReadonlyArray<ErasablePart> =>
  (Object.keys(event.commitments) as Array<ErasablePart>).filter(
    (part) => event.commitments[part]?.salt !== undefined && erasableFields.has(part)
  )

/** A stored event as everybody sees it. */
export const toRecordedEvent = ({ commitments, occurredAt, recordedAt, ...event }: StoredEvent): RecordedEvent => ({
  ...event,
  redacted: erasedParts({ commitments }),
  occurredAt: DateTime.makeUnsafe(occurredAt),
  recordedAt: DateTime.makeUnsafe(recordedAt)
})

/** The content hash that a stored event must have. Throws when its payload is no JSON that can be hashed. */
export const expectedContentHash = (event: StoredEvent): string => contentHash(event, event.commitments)
