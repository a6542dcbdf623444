import { DateTime } from "effect"
import type { Event } from "../domain/Event.ts"
import type { StreamEvent } from "../domain/evolve.ts"
import { formatTime } from "../domain/Time.ts"
import { textField } from "../sql/recordLines.ts"
import { canonicalMembers, createCommitments } from "./ContentHash.ts"
import { encodeEvent } from "./EventCodec.ts"

/** The actor of an event, and its command, correlation and cause. */
interface Origin {
  readonly actor: string
  readonly correlationId: string | null
  readonly causationId: string | null
  readonly commandId: string | null
}

/** A decided event with its place in its card's stream, not yet appended. */
export interface PendingEvent extends StreamEvent, Origin {}

/** Events as the function `append_and_project_v4` receives them: a line for each event. */
export interface EventLines {
  /** Records of the type `event_v1`. */
  readonly events: string
  /** The payloads as the content hashes cover them, with commitments in place of erasable fields. */
  readonly data: string
  /** The values of erasable fields; null when no event has any. */
  readonly erasable: string | null
  /** The commitments of erasable fields; null when no event has any. */
  readonly commitments: string | null
}

/** A payload as the database stores and hashes it. */
export interface EncodedPayload {
  readonly type: string
  readonly schemaVersion: number
  /** As the content hash covers it, with commitments in place of erasable fields. */
  readonly data: string
  /** The values of erasable fields; null when there are none. */
  readonly erasable: string | null
  /** Their commitments; null when there are none. */
  readonly commitments: string | null
}

export const encodePayload = (event: Event): EncodedPayload => {
  const { data, schemaVersion, type } = encodeEvent(event)
  const committed = createCommitments(data)
  const fields = Object.keys(committed)
  if (fields.length === 0) {
    return { type, schemaVersion, data: canonicalMembers(data), erasable: null, commitments: null }
  }
  const hashed: Record<string, unknown> = { ...data }
  const values: Record<string, unknown> = {}
  for (const field of fields) {
    values[field] = data[field]
    hashed[field] = { sha256: committed[field]?.sha256 }
  }
  return {
    type,
    schemaVersion,
    data: canonicalMembers(hashed),
    erasable: JSON.stringify(values),
    commitments: JSON.stringify(committed)
  }
}

/** Encodes events for the function that appends them. The database computes their hashes from what it stores. */
export const encodeEventLines = (pending: ReadonlyArray<PendingEvent>): EventLines => {
  let events = ""
  let data = ""
  let erasable = ""
  let commitments = ""
  let hasErasable = false
  let separator = ""
  for (const event of pending) {
    const payload = encodePayload(event.event)
    events += `${separator}(${textField(event.cardId)},${event.version},${payload.type},${payload.schemaVersion},${textField(event.actor)},${textField(event.correlationId)},${textField(event.causationId)},${textField(event.commandId)},${formatTime(event.occurredAt)})`
    data += separator + payload.data
    erasable += separator
    commitments += separator
    if (payload.erasable !== null && payload.commitments !== null) {
      erasable += payload.erasable
      commitments += payload.commitments
      hasErasable = true
    }
    separator = "\n"
  }
  return {
    events,
    data,
    erasable: hasErasable ? erasable : null,
    commitments: hasErasable ? commitments : null
  }
}

/** The approximate number of characters of an event's payload, without quotes, names and times. */
export const payloadSize = ({ event }: PendingEvent): number => {
  let size = 0
  for (const value of Object.values(event) as ReadonlyArray<unknown>) {
    if (typeof value === "string") size += value.length
    else if (typeof value === "object" && value !== null && !DateTime.isDateTime(value)) {
      size += JSON.stringify(value).length
    }
  }
  return size
}
