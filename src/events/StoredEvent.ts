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

/** A time in the format of the log, in which each millisecond has exactly one text. */
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
 * An event with all columns of its row: the hashed content, the hashes, and the salts of erasable fields. Times are ISO-8601
 * text in UTC with milliseconds. This is also the format of a line of an exported log.
 */
export const StoredEvent = Schema.Struct({
  position: Position,
  cardId: CardId,
  version: Version,
  type: Schema.String,
  schemaVersion: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 2 ** 31 - 1 })),
  data: Schema.Record(Schema.String, Schema.Json),
  /** For each erasable field of `data`: its salted SHA-256, and the salt, which an erasure removes. */
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

/** An event with all columns of its row. */
export interface StoredEvent extends Schema.Schema.Type<typeof StoredEvent> {}

/**
 * The row of an event is invalid: it was altered.
 *
 * What to do: run `backlog verify`, and restore the log from a backup.
 */
export class DamagedEvent extends Schema.TaggedError<DamagedEvent>()("DamagedEvent", {
  position: Schema.Finite,
  cardId: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `The event of card ${JSON.stringify(this.cardId)} at position ${this.position} is damaged, and nothing that depends on it can be read. Verify the log. ${this.problem}`
  }
}

/** A row as the queries return it: JSON and times as text, so that nothing is lost before the check. */
export interface EventRow extends Omit<StoredEvent, "data" | "commitments" | "cardId"> {
  readonly cardId: string
  readonly data: string
  readonly commitments: string
}

const decode = Schema.decodeUnknownResult(StoredEvent, { onExcessProperty: "error" })

/** Validates a stored event. Fails with the problem. */
export const parseStoredEvent = (value: unknown): Result.Result<StoredEvent, string> => {
  try {
    return Result.mapError(decode(value), (error) => truncateMessage(error.message))
  } catch (cause) {
    // A deeply nested payload exhausts the call stack.
    return Result.fail(truncateMessage(String(cause)))
  }
}

/**
 * Decodes a row. Fails with the problem. Written without a schema, which would take half of the time of a verification or a
 * rebuild; the types of the columns and the query exclude most errors.
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
  for (const column of nameColumns) {
    const name = row[column]
    if (name !== null && !isName(name)) return Result.fail(`${JSON.stringify(name)} is not a name`)
  }
  // Replaces the texts in place, without a copy: the caller owns the row.
  const stored = row as unknown as { data: unknown; commitments: unknown }
  stored.data = data
  stored.commitments = commitments
  return Result.succeed(row as unknown as StoredEvent)
}

const nameColumns = ["cardId", "actor", "correlationId", "causationId", "commandId"] as const

const noCommitments: Commitments = {}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isCommitment = (value: unknown): boolean =>
  isObject(value) &&
  matches(value["sha256"], hashPattern) &&
  (value["salt"] === undefined || matches(value["salt"], saltPattern)) &&
  Object.keys(value).length === (value["salt"] === undefined ? 1 : 2)

const matches = (value: unknown, pattern: RegExp): boolean => typeof value === "string" && pattern.test(value)

/** A time with milliseconds, or with microseconds, which only other programs write: verification reports it. */
const timePattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(?:\d{3})?Z$/

const isTime = (text: string): boolean => timePattern.test(text)

/** The erased fields of an event: their commitments have no salt. */
export const erasedParts = ({ commitments }: Pick<StoredEvent, "commitments">): ReadonlyArray<ErasablePart> => {
  let erased: Array<ErasablePart> | undefined
  for (const part in commitments) {
    if (commitments[part]?.salt === undefined && erasableFields.has(part)) (erased ??= []).push(part as ErasablePart)
  }
  return erased ?? noParts
}

const noParts: ReadonlyArray<ErasablePart> = []

/** Decodes the domain event of a stored event. Erased fields are `[redacted]`. */
export const decodeStoredEvent = (stored: StoredEvent): Result.Result<Event, UndecodableEvent> => {
  const redacted = erasedParts(stored)
  return redacted.length === 0 ? decodeEvent(stored) : decodeRecordedEvent({ ...stored, redacted })
}

/** The fields of an event that can still be erased: their commitments have a salt. */
export const erasableParts = (event: Pick<StoredEvent, "commitments">): ReadonlyArray<ErasablePart> =>
  (Object.keys(event.commitments) as Array<ErasablePart>).filter(
    (part) => event.commitments[part]?.salt !== undefined && erasableFields.has(part)
  )

/** Converts a stored event to its public form. */
export const toRecordedEvent = ({ commitments, occurredAt, recordedAt, ...event }: StoredEvent): RecordedEvent => ({
  ...event,
  redacted: erasedParts({ commitments }),
  occurredAt: DateTime.makeUnsafe(occurredAt),
  recordedAt: DateTime.makeUnsafe(recordedAt)
})

/** Computes the content hash of a stored event. Throws when its payload cannot be written as canonical JSON. */
export const expectedContentHash = (event: StoredEvent): string => contentHash(event, event.commitments)
