/*
 * Storage format of events: `type`, `schema_version` and `data` of the table `events`. Released shapes are never edited. A new
 * shape gets the next schema version and an upcaster here, and a file in `test/events/golden/`: see docs/evolution.md.
 */
import { DateTime, Result, Schema } from "effect"
import { maxGeneration, maxToken, maxTtlSeconds } from "../domain/Card.ts"
import { Event } from "../domain/Event.ts"
import { isName, isReason } from "../domain/Text.ts"
import { formatTime } from "../domain/Time.ts"
import { truncateMessage } from "../domain/displayText.ts"

/** An event as it is stored: its type, the schema version of its payload, and the payload as JSON. */
export interface EncodedEvent {
  readonly type: string
  readonly schemaVersion: number
  readonly data: Schema.JsonObject
}

/**
 * A stored event that this program cannot read: an unknown type, a newer schema version, or an invalid payload.
 *
 * What to do: update the program, if a newer one wrote the event. Otherwise run `backlog verify`.
 */
export class UndecodableEvent extends Schema.TaggedError<UndecodableEvent>()("UndecodableEvent", {
  type: Schema.String,
  // The stored number, even if it is not a valid version.
  // @effect-diagnostics-next-line schemaNumber:off
  schemaVersion: Schema.Number,
  reason: Schema.String
}) {
  override get message(): string {
    return `An event of type ${this.type}, schema version ${this.schemaVersion}, cannot be read: ${this.reason}`
  }
}

/** Converts a payload from one schema version to the next. */
export type Upcaster = (data: Schema.JsonObject) => Schema.JsonObject

/** The upcasters of each event type, from schema version 1 to the newest. Without upcasters, version 1 is the newest. */
export type Upcasters = Readonly<Record<Event["_tag"], ReadonlyArray<Upcaster>>>

/** The upcasters of all event types. */
export const upcasters: Upcasters = {
  // Version 2 added labels and the time before which the card cannot be claimed.
  CardCreated: [(data) => ({ ...data, labels: [], notBefore: null })],
  // Version 2 can contain labels and `notBefore`: an older program reports a newer schema version, not a damaged event.
  CardRevised: [(data) => data],
  CardNoted: [],
  // Version 2 added the generation. Earlier claims have generation 0.
  CardClaimed: [(data) => ({ ...data, generation: 0 })],
  ClaimRenewed: [],
  CardReleased: [],
  // Version 2 added the reason "restored": an older program reports a newer schema version, not a damaged event.
  CardReclaimed: [(data) => data],
  CardLinked: [],
  CardUnlinked: [],
  CardBlocked: [],
  CardUnblocked: [],
  CardCompleted: [],
  CardReopened: [],
  CardRedacted: []
}

const encodeTagged = Schema.encodeSync(Event)
const decodeTagged = Schema.decodeUnknownResult(Event, { onExcessProperty: "error" })

/** Encodes an event, at the oldest schema version that can say the same, so that older programs can read it. */
export const encodeEvent = (event: Event): EncodedEvent => ({
  type: event._tag,
  schemaVersion: schemaVersionOf(event),
  data: encodeFrequent(event) ?? encodeBySchema(event)
})

const schemaVersionOf = (event: Event): number => {
  switch (event._tag) {
    case "CardCreated":
      return isOfVersion1(event) ? 1 : 2
    case "CardRevised":
      return event.labels === undefined && event.notBefore === undefined ? 1 : 2
    default:
      return upcasters[event._tag].length + 1
  }
}

const isOfVersion1 = ({ labels, notBefore }: Extract<Event, { readonly _tag: "CardCreated" }>): boolean =>
  labels.length === 0 && notBefore === null

const encodeBySchema = (event: Event): Schema.JsonObject => {
  const { _tag, ...data } = encodeTagged(event)
  return data
}

/** The fast path for the most frequent events. The schema takes ten times as long, and checks what `decide` has checked. */
const encodeFrequent = (event: Event): Schema.JsonObject | undefined => {
  switch (event._tag) {
    case "CardClaimed":
      return {
        owner: event.owner,
        ttlSeconds: event.ttlSeconds,
        expiresAt: formatTime(event.expiresAt),
        generation: event.generation
      }
    case "CardCompleted":
      return { result: event.result, overrode: event.overrode, forced: event.forced, claim: event.claim }
    case "CardCreated":
      return {
        title: event.title,
        body: event.body,
        phase: event.phase,
        priority: event.priority,
        status: event.status,
        dependsOn: event.dependsOn,
        acceptance: event.acceptance,
        idempotencyKey: event.idempotencyKey,
        blockedReason: event.blockedReason,
        ...(isOfVersion1(event)
          ? undefined
          : { labels: event.labels, notBefore: event.notBefore === null ? null : formatTime(event.notBefore) })
      }
    default:
      return undefined
  }
}

/** Adds the tag as the first member, which V8 copies twice as fast. A payload member `_tag` is overwritten. */
const withTag = (_tag: string, data: Schema.JsonObject): unknown =>
  Object.hasOwn(data, "_tag") ? { ...data, _tag } : { _tag, ...data }

/** Creates a decoder that upcasts older schema versions with the given upcasters. */
export const makeDecoder =
  (all: Readonly<Record<string, ReadonlyArray<Upcaster>>>) =>
  (encoded: EncodedEvent): Result.Result<Event, UndecodableEvent> => {
    const undecodable = (reason: string) =>
      Result.fail(new UndecodableEvent({ type: encoded.type, schemaVersion: encoded.schemaVersion, reason }))
    const steps = Object.hasOwn(all, encoded.type) ? all[encoded.type] : undefined
    if (steps === undefined) return undecodable("this program does not know the type")
    if (!Number.isInteger(encoded.schemaVersion) || encoded.schemaVersion < 1) {
      return undecodable("schema versions are 1, 2, 3 …")
    }
    if (encoded.schemaVersion > steps.length + 1) return undecodable("it was written by a newer program")
    let data: Schema.JsonObject
    try {
      data = steps.slice(encoded.schemaVersion - 1).reduce((older, upcast) => upcast(older), encoded.data)
    } catch (cause) {
      return undecodable(`an upcaster failed: ${String(cause)}`)
    }
    const claimEvent = decodeClaimEvent(encoded.type, data)
    if (claimEvent !== undefined) return Result.succeed(claimEvent)
    return Result.mapError(
      decodeTagged(withTag(encoded.type, data)),
      (error) =>
        new UndecodableEvent({
          type: encoded.type,
          schemaVersion: encoded.schemaVersion,
          reason: truncateMessage(error.message)
        })
    )
  }

/** Decodes a stored event of any released schema version. Fails for an unknown type. */
export const decodeEvent: (encoded: EncodedEvent) => Result.Result<Event, UndecodableEvent> = makeDecoder(upcasters)

/**
 * The fast path for the events of claims, which are the majority of every long log: the schema takes four times as long,
 * a seventh of the time of a verification. Returns `undefined` for anything but a plainly valid payload; then the schema
 * decodes it or reports the error.
 */
export const decodeClaimEvent = (type: string, data: Schema.JsonObject): Event | undefined => {
  switch (type) {
    case "CardClaimed": {
      const { expiresAt, generation, owner, ttlSeconds } = data
      if (!hasMemberCount(data, 4) || !isOwner(owner) || !isTtl(ttlSeconds) || !isGeneration(generation))
        return undefined
      const at = parseTime(expiresAt)
      return at && { _tag: type, owner, ttlSeconds, expiresAt: at, generation }
    }
    case "ClaimRenewed": {
      const { expiresAt, owner, token, ttlSeconds } = data
      if (!hasMemberCount(data, 4) || !isOwner(owner) || !isToken(token) || !isTtl(ttlSeconds)) return undefined
      const at = parseTime(expiresAt)
      return at && { _tag: type, owner, token, ttlSeconds, expiresAt: at }
    }
    case "CardReleased": {
      const { notBefore, owner, reason, token } = data
      if (!hasMemberCount(data, 4) || !isOwner(owner) || !isToken(token)) return undefined
      if (reason !== null && !(typeof reason === "string" && isReason(reason))) return undefined
      const at = notBefore === null ? null : parseTime(notBefore)
      return at === undefined ? undefined : { _tag: type, owner, token, reason, notBefore: at }
    }
    default:
      return undefined
  }
}

const hasMemberCount = (data: Schema.JsonObject, count: number): boolean => {
  let members = 0
  for (const _ in data) members++
  return members === count
}

const isOwner = (value: Schema.Json | undefined): value is string => typeof value === "string" && isName(value)

const isBetween = (value: Schema.Json | undefined, minimum: number, maximum: number): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= minimum && value <= maximum

const isGeneration = (value: Schema.Json | undefined): value is number => isBetween(value, 0, maxGeneration)

const isToken = (value: Schema.Json | undefined): value is number => isBetween(value, 1, maxToken)

const isTtl = (value: Schema.Json | undefined): value is number => isBetween(value, 1, maxTtlSeconds)

const timePattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

const parseTime = (value: Schema.Json | undefined): DateTime.Utc | undefined => {
  if (typeof value !== "string" || !timePattern.test(value)) return undefined
  const milliseconds = Date.parse(value)
  return Number.isNaN(milliseconds) ? undefined : DateTime.makeUnsafe(milliseconds)
}
