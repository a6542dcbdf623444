import type { DateTime } from "effect"
import type { Card } from "./Card.ts"
import { type CardId, compareIds } from "./CardId.ts"
import type { Event } from "./Event.ts"
import { currentClaim } from "./HeldClaim.ts"

/** An event with what a fold needs: its place in the card's stream, its business time and its actor. */
export interface StreamEvent {
  readonly cardId: CardId
  readonly version: number
  readonly occurredAt: DateTime.Utc
  readonly actor: string
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
 * Applies the next event of a card's stream to the card. Total: an event that cannot follow (any event before
 * `CardCreated`, a second `CardCreated`) leaves the card unchanged.
 */
export const evolve = (card: Card | undefined, streamEvent: StreamEvent): Card | undefined => {
  const { event, occurredAt, version } = streamEvent
  if (event._tag === "CardCreated") return card ?? createCard(streamEvent, event)
  if (card === undefined) return undefined
  const updatedAt = occurredAt
  switch (event._tag) {
    case "CardRevised": {
      const { _tag, ...changes } = event
      return { ...card, version, updatedAt, ...changes }
    }
    case "CardNoted":
      return {
        ...card,
        version,
        updatedAt,
        noteCount: card.noteCount + 1,
        lastNote: { text: event.text, actor: streamEvent.actor, at: occurredAt }
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
      return { ...card, version, updatedAt, dependsOn: insertId(card.dependsOn, event.dependsOn) }
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
    // The erased values are redacted in the earlier events themselves, so the fold never sees them.
    case "CardRedacted":
      return { ...card, version, updatedAt }
  }
}

const createCard = (
  { cardId, occurredAt, version }: StreamEvent,
  event: Extract<Event, { readonly _tag: "CardCreated" }>
): Card => ({
  id: cardId,
  title: event.title,
  body: event.body,
  phase: event.phase,
  labels: event.labels,
  priority: event.priority,
  status: event.status,
  dependsOn: sortIds(event.dependsOn),
  ...noClaim,
  attempts: 0,
  notBefore: event.notBefore,
  idempotencyKey: event.idempotencyKey,
  acceptance: event.acceptance,
  result: null,
  blockedReason: event.blockedReason,
  noteCount: 0,
  lastNote: null,
  createdAt: occurredAt,
  updatedAt: occurredAt,
  completedAt: event.status === "done" ? occurredAt : null,
  version
})

/** Sorts ids and removes duplicates. */
export const sortIds = (ids: ReadonlyArray<CardId>): ReadonlyArray<CardId> => [...new Set(ids)].sort(compareIds)

const insertId = (ids: ReadonlyArray<CardId>, id: CardId): ReadonlyArray<CardId> => {
  const index = insertionIndex(ids, id)
  return ids[index] === id ? ids : ids.toSpliced(index, 0, id)
}

/** The index of an id in sorted ids, or where to insert it. Binary search, because every link to a card calls it. */
const insertionIndex = (ids: ReadonlyArray<CardId>, id: CardId): number => {
  let from = 0
  let to = ids.length
  while (from < to) {
    const middle = (from + to) >>> 1
    if (compareIds(ids[middle] as CardId, id) < 0) from = middle + 1
    else to = middle
  }
  return from
}

/**
 * Returns why an event cannot follow in the stream of a card in this state, or `undefined` when it can. `evolve` applies
 * any event; verification uses this to find events that no correct program writes, such as a claim on a claimed card.
 */
export const transitionError = (card: Card | undefined, { event, version }: StreamEvent): string | undefined => {
  if (event._tag === "CardCreated") return card === undefined ? undefined : "the card already exists"
  if (card === undefined) return "the card does not exist yet"
  if (version !== card.version + 1) return `it follows version ${card.version}`
  const claim = currentClaim(card)
  const holderError = (owner: string, token: number): string | undefined =>
    claim !== undefined && claim.owner === owner && claim.token === token
      ? undefined
      : `${owner} does not hold the card with token ${token}`
  const endedClaimError = (ended: { readonly owner: string; readonly token: number } | null): string | undefined =>
    ended !== null
      ? holderError(ended.owner, ended.token)
      : claim === undefined
        ? undefined
        : "it does not name the claim that it ends"
  const unless = (condition: boolean, error: string): string | undefined => (condition ? undefined : error)
  switch (event._tag) {
    case "CardClaimed":
      return unless(card.status === "ready", `the card is ${card.status}`)
    case "ClaimRenewed":
    case "CardReleased":
    case "CardReclaimed":
      return holderError(event.owner, event.token)
    case "CardLinked":
      return unless(
        !card.dependsOn.includes(event.dependsOn) && event.dependsOn !== card.id,
        "the edge cannot be added"
      )
    case "CardUnlinked":
      return unless(card.dependsOn.includes(event.dependsOn), "there is no such edge")
    case "CardBlocked":
      return card.status === "done" ? "the card is done" : endedClaimError(event.endedClaim)
    case "CardUnblocked":
      return unless(card.status === "blocked", `the card is ${card.status}`)
    case "CardCompleted":
      return card.status === "done" ? "the card is done" : endedClaimError(event.claim)
    case "CardReopened":
      return unless(card.status === "done", `the card is ${card.status}`)
    case "CardRedacted":
      return unless(
        event.erased.every((part) => part.version < version),
        "it erases a later event"
      )
    case "CardNoted":
      return event.claim === null ? undefined : holderError(event.claim.owner, event.claim.token)
    case "CardRevised":
      return undefined
  }
}
