import { DateTime, type Schema } from "effect"
import { maxGeneration, maxToken, maxTtlSeconds } from "../domain/Card.ts"
import type { Event } from "../domain/Event.ts"
import { isName, isReason } from "../domain/Text.ts"

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
