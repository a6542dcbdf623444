import type { DateTime } from "effect"
import type { Card } from "./Card.ts"
import { type CardId, compareIds } from "./CardId.ts"
import type { Event } from "./Event.ts"
import { currentClaim } from "./HeldClaim.ts"

/**
 * Says why an event cannot follow in the stream of a card that stands so, or `undefined` when it can. `evolve` folds
 * whatever comes; this is what no program that keeps the rules ever wrote, above all a claim on a card that is held.
 */
export const transitionError = (card: Card | undefined, { event, version }: StreamEvent): string | undefined => {
  if (event._tag === "CardCreated") return card === undefined ? undefined : "the card exists already"
  if (card === undefined) return "the card does not exist yet"
  if (version !== card.version + 1) return `it follows version ${card.version}`
  const claim = currentClaim(card)
  const notHeldBy = (owner: string, token: number): string | undefined =>
    claim !== undefined && claim.owner === owner && claim.token === token
      ? undefined
      : `${owner} does not hold the card with token ${token}`
  const notEnding = (ended: { readonly owner: string; readonly token: number } | null): string | undefined =>
    ended !== null ? notHeldBy(ended.owner, ended.token) : claim === undefined ? undefined : "it ends a claim unnamed"
  const unless = (holds: boolean, problem: string): string | undefined => (holds ? undefined : problem)
  switch (event._tag) {
    case "CardClaimed":
      return unless(card.status === "ready", `the card is ${card.status}`)
    case "ClaimRenewed":
    case "CardReleased":
    case "CardReclaimed":
      return notHeldBy(event.owner, event.token)
    case "CardLinked":
      return unless(
        !card.dependsOn.includes(event.dependsOn) && event.dependsOn !== card.id,
        "the edge cannot be added"
      )
    case "CardUnlinked":
      return unless(card.dependsOn.includes(event.dependsOn), "there is no such edge")
    case "CardBlocked":
      return card.status === "done" ? "the card is done" : notEnding(event.endedClaim)
    case "CardUnblocked":
      return unless(card.status === "blocked", `the card is ${card.status}`)
    case "CardCompleted":
      return card.status === "done" ? "the card is done" : notEnding(event.claim)
    case "CardReopened":
      return unless(card.status === "done", `the card is ${card.status}`)
    case "CardRedacted":
      return unless(
        event.erased.every((part) => part.version < version),
        "it erases what came later"
      )
    case "CardRevised":
      return undefined
  }
}

/** What the log adds to an event that a fold needs: its place in the card's stream and its business time. */
export interface StreamEvent {
  readonly cardId: CardId
  readonly version: number
  readonly occurredAt: DateTime.Utc
  readonly event: Event
}

const noClaim = {
  claimOwner: null,
  claimTtlSeconds: null,
  claimedAt: null,
  claimExpiresAt: null,
  claimToken: null
} as const

/**
 * A card after one more event of its stream. Total: what cannot follow (any event before `CardCreated`, a second
 * `CardCreated`) leaves the state as it was.
 */
export const evolve = (card: Card | undefined, occurrence: StreamEvent): Card | undefined => {
  const { event, occurredAt, version } = occurrence
  if (event._tag === "CardCreated") return card ?? created(occurrence, event)
  if (card === undefined) return undefined
  const updatedAt = occurredAt
  switch (event._tag) {
    case "CardRevised": {
      const { _tag, ...changes } = event
      return { ...card, version, updatedAt, ...changes }
    }
    case "CardClaimed":
      return {
        ...card,
        version,
        updatedAt,
        status: "claimed",
        claimOwner: event.owner,
        claimTtlSeconds: event.ttlSeconds,
        claimedAt: occurredAt,
        claimExpiresAt: event.expiresAt,
        claimToken: event.generation + version,
        notBefore: null,
        attempts: card.attempts + 1
      }
    case "ClaimRenewed":
      return { ...card, version, updatedAt, claimTtlSeconds: event.ttlSeconds, claimExpiresAt: event.expiresAt }
    case "CardReleased":
      return { ...card, version, updatedAt, ...noClaim, status: "ready", notBefore: event.notBefore }
    case "CardReclaimed":
      return { ...card, version, updatedAt, ...noClaim, status: "ready" }
    case "CardLinked":
      return { ...card, version, updatedAt, dependsOn: withId(card.dependsOn, event.dependsOn) }
    case "CardUnlinked":
      return { ...card, version, updatedAt, dependsOn: card.dependsOn.filter((id) => id !== event.dependsOn) }
    case "CardBlocked":
      return {
        ...card,
        version,
        updatedAt,
        ...noClaim,
        status: "blocked",
        blockedReason: event.reason,
        notBefore: null
      }
    case "CardUnblocked":
      return { ...card, version, updatedAt, status: "ready", blockedReason: null }
    case "CardCompleted":
      return {
        ...card,
        version,
        updatedAt,
        ...noClaim,
        status: "done",
        result: event.result,
        blockedReason: null,
        notBefore: null,
        completedAt: occurredAt
      }
    case "CardReopened":
      return { ...card, version, updatedAt, status: "ready", result: null, completedAt: null }
    // What it erased stands as redacted in the events themselves, so a fold of them has it so from the start.
    case "CardRedacted":
      return { ...card, version, updatedAt }
  }
}

const created = (occurrence: StreamEvent, event: Extract<Event, { readonly _tag: "CardCreated" }>): Card => ({
  id: occurrence.cardId,
  title: event.title,
  body: event.body,
  phase: event.phase,
  priority: event.priority,
  status: event.status,
  dependsOn: sortIds(event.dependsOn),
  ...noClaim,
  attempts: 0,
  notBefore: null,
  idempotencyKey: event.idempotencyKey,
  acceptance: event.acceptance,
  result: null,
  blockedReason: event.blockedReason,
  createdAt: occurrence.occurredAt,
  updatedAt: occurrence.occurredAt,
  completedAt: event.status === "done" ? occurrence.occurredAt : null,
  version: occurrence.version
})

/** Each id once, in the order of ids. */
export const sortIds = (ids: ReadonlyArray<CardId>): ReadonlyArray<CardId> => [...new Set(ids)].sort(compareIds)

const withId = (ids: ReadonlyArray<CardId>, id: CardId): ReadonlyArray<CardId> => {
  const place = placeOf(ids, id)
  return ids[place] === id ? ids : ids.toSpliced(place, 0, id)
}

/** Where an id stands among ids in order, or would: a card may have many, and each link comes by here. */
const placeOf = (ids: ReadonlyArray<CardId>, id: CardId): number => {
  let from = 0
  let to = ids.length
  while (from < to) {
    const middle = (from + to) >>> 1
    if (compareIds(ids[middle] as CardId, id) < 0) from = middle + 1
    else to = middle
  }
  return from
}
