import { DateTime, Result, Schema } from "effect"
import { maxGeneration, maxToken, maxTtlSeconds } from "../domain/Card.ts"
import { Event } from "../domain/Event.ts"
import { isName, isReason } from "../domain/Text.ts"
import { truncateMessage } from "../domain/displayText.ts"

/**
 * Decodes the events of claims, which are most of every long log, by hand: the schema takes four times as long, and a
 * verification would spend a seventh of its time with it. Answers only for payloads that leave nothing to be said;
 * `undefined` is no judgement, and leaves it to the schema to decode or to say what is wrong.
 */
export const decodeClaimEvent = (type: string, data: Schema.JsonObject): Event | undefined => {
  switch (type) {
    case "CardClaimed": {
      const { expiresAt, generation, owner, ttlSeconds } = data
      if (!hasMembers(data, 4) || !isOwner(owner) || !isTtl(ttlSeconds) || !isGeneration(generation)) return undefined
      const at = timeOf(expiresAt)
      return at && { _tag: type, owner, ttlSeconds, expiresAt: at, generation }
    }
    case "ClaimRenewed": {
      const { expiresAt, owner, token, ttlSeconds } = data
      if (!hasMembers(data, 4) || !isOwner(owner) || !isToken(token) || !isTtl(ttlSeconds)) return undefined
      const at = timeOf(expiresAt)
      return at && { _tag: type, owner, token, ttlSeconds, expiresAt: at }
    }
    case "CardReleased": {
      const { notBefore, owner, reason, token } = data
      if (!hasMembers(data, 4) || !isOwner(owner) || !isToken(token)) return undefined
      if (reason !== null && !(typeof reason === "string" && isReason(reason))) return undefined
      const at = notBefore === null ? null : timeOf(notBefore)
      return at === undefined ? undefined : { _tag: type, owner, token, reason, notBefore: at }
    }
    default:
      return undefined
  }
}

const hasMembers = (data: Schema.JsonObject, count: number): boolean => {
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

const timeOf = (value: Schema.Json | undefined): DateTime.Utc | undefined => {
  if (typeof value !== "string" || !timePattern.test(value)) return undefined
  const milliseconds = Date.parse(value)
  return Number.isNaN(milliseconds) ? undefined : DateTime.makeUnsafe(milliseconds)
}

/** An event as it is stored: its type's name, the version of its payload's shape, and the payload as JSON. */
export interface EncodedEvent {
  readonly type: string
  readonly schemaVersion: number
  readonly data: Schema.JsonObject
}

/** A stored event that this program cannot read: an unknown type, a newer shape, or a payload that does not fit. */
export class UndecodableEvent extends Schema.TaggedError<UndecodableEvent>()("UndecodableEvent", {
  type: Schema.String,
  // Whatever was stored there, also what is no version at all.
  // @effect-diagnostics-next-line schemaNumber:off
  schemaVersion: Schema.Number,
  reason: Schema.String
}) {
  override get message(): string {
    return `An event of type ${this.type}, schema version ${this.schemaVersion}, cannot be read: ${this.reason}`
  }
}

/** Brings a payload from one schema version to the next. */
export type Upcaster = (data: Schema.JsonObject) => Schema.JsonObject

/** For each type of event, the steps from schema version 1 to the newest: none means that version 1 is the newest. */
export type Upcasters = Readonly<Record<Event["_tag"], ReadonlyArray<Upcaster>>>

/** The steps of every event type that this program knows. */
export const upcasters: Upcasters = {
  CardCreated: [],
  CardRevised: [],
  // Before generations, every claim was of the first.
  CardClaimed: [(data) => ({ ...data, generation: 0 })],
  ClaimRenewed: [],
  CardReleased: [],
  // Version 2 added a reason ("restored"): an older program reports a newer event, not a damaged one.
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

/** Encodes an event at the newest version of its shape. */
export const encodeEvent = (event: Event): EncodedEvent => {
  const type = event._tag
  return { type, schemaVersion: upcasters[type].length + 1, data: encodeFrequent(event) ?? encodeBySchema(event) }
}

const encodeBySchema = (event: Event): Schema.JsonObject => {
  const { _tag, ...data } = encodeTagged(event)
  return data
}

/** What is written most, by hand: the schema takes ten times as long, and would check once more what a decision made. */
const encodeFrequent = (event: Event): Schema.JsonObject | undefined => {
  switch (event._tag) {
    case "CardClaimed":
      return {
        owner: event.owner,
        ttlSeconds: event.ttlSeconds,
        expiresAt: DateTime.formatIso(event.expiresAt),
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
        blockedReason: event.blockedReason
      }
    default:
      return undefined
  }
}

/** The tag stands first, where V8 makes the copy in half of the time; a member of that name in the payload is no tag. */
const tagged = (_tag: string, data: Schema.JsonObject): unknown =>
  Object.hasOwn(data, "_tag") ? { ...data, _tag } : { _tag, ...data }

/** Makes a decoder that upcasts older shapes by `steps`. */
export const makeDecoder =
  (steps: Readonly<Record<string, ReadonlyArray<Upcaster>>>) =>
  (encoded: EncodedEvent): Result.Result<Event, UndecodableEvent> => {
    const undecodable = (reason: string) =>
      Result.fail(new UndecodableEvent({ type: encoded.type, schemaVersion: encoded.schemaVersion, reason }))
    const path = Object.hasOwn(steps, encoded.type) ? steps[encoded.type] : undefined
    if (path === undefined) return undecodable("this program does not know the type")
    if (!Number.isInteger(encoded.schemaVersion) || encoded.schemaVersion < 1) {
      return undecodable("schema versions are 1, 2, 3 …")
    }
    if (encoded.schemaVersion > path.length + 1) return undecodable("it was written by a newer program")
    let data: Schema.JsonObject
    try {
      data = path.slice(encoded.schemaVersion - 1).reduce((older, upcast) => upcast(older), encoded.data)
    } catch (cause) {
      return undecodable(`an upcaster failed: ${String(cause)}`)
    }
    const claimEvent = decodeClaimEvent(encoded.type, data)
    if (claimEvent !== undefined) return Result.succeed(claimEvent)
    return Result.mapError(
      decodeTagged(tagged(encoded.type, data)),
      (error) =>
        new UndecodableEvent({
          type: encoded.type,
          schemaVersion: encoded.schemaVersion,
          reason: truncateMessage(error.message)
        })
    )
  }

/** Decodes a stored event of any released shape. An unknown type is a failure, never a guess. */
export const decodeEvent: (encoded: EncodedEvent) => Result.Result<Event, UndecodableEvent> = makeDecoder(upcasters)
