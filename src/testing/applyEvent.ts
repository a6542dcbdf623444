import { DateTime, Result, Schema } from "effect"
import { Event } from "../domain/Event.ts"
import { decodeRecordedEvent, type RecordedEvent } from "../events/RecordedEvent.ts"
import { type ModelCard, noClaim } from "./Model.ts"
import { byId } from "./modelQueries.ts"

/** An event as JSON. */
export type ModelEvent = typeof Event.Encoded

const encodeEvent = Schema.encodeSync(Event)

/** Converts a recorded event to JSON. Returns `undefined` when it cannot be decoded. */
export const toModelEvent = (recorded: RecordedEvent): ModelEvent | undefined => {
  const event = decodeRecordedEvent(recorded)
  return Result.isFailure(event) ? undefined : encodeEvent(event.success)
}

/** Returns a card after one more event. */
export const applyEvent = (
  card: ModelCard | undefined,
  event: ModelEvent,
  { actor, cardId, occurredAt, version }: RecordedEvent
): ModelCard | undefined => {
  const time = DateTime.formatIso(occurredAt)
  if (event._tag === "CardCreated") {
    const { _tag, dependsOn, ...created } = event
    return {
      ...created,
      id: cardId,
      dependsOn: [...dependsOn].sort(byId),
      ...noClaim,
      attempts: 0,
      result: null,
      noteCount: 0,
      lastNote: null,
      createdAt: time,
      updatedAt: time,
      completedAt: created.status === "done" ? time : null,
      version
    }
  }
  if (card === undefined) return undefined
  const changes =
    event._tag === "CardNoted"
      ? { noteCount: card.noteCount + 1, lastNote: { text: event.text, actor, at: time } }
      : changesBy(card, event, time, version)
  return { ...card, ...changes, updatedAt: time, version }
}

const changesBy = (
  card: ModelCard,
  event: Exclude<ModelEvent, { readonly _tag: "CardCreated" | "CardNoted" }>,
  time: string,
  version: number
): Partial<ModelCard> => {
  switch (event._tag) {
    case "CardRevised": {
      const { _tag, ...changes } = event
      return changes
    }
    case "CardClaimed":
      return {
        status: "claimed",
        claimOwner: event.owner,
        claimTtlSeconds: event.ttlSeconds,
        claimedAt: time,
        claimExpiresAt: event.expiresAt,
        claimToken: event.generation + version,
        notBefore: null,
        attempts: card.attempts + 1
      }
    case "ClaimRenewed":
      return { claimTtlSeconds: event.ttlSeconds, claimExpiresAt: event.expiresAt }
    case "CardReleased":
      return { ...noClaim, status: "ready", notBefore: event.notBefore }
    case "CardReclaimed":
      return { ...noClaim, status: "ready" }
    case "CardLinked":
      return { dependsOn: [...card.dependsOn, event.dependsOn].sort(byId) }
    case "CardUnlinked":
      return { dependsOn: card.dependsOn.filter((id) => id !== event.dependsOn) }
    case "CardBlocked":
      return { ...noClaim, status: "blocked", blockedReason: event.reason, notBefore: null }
    case "CardUnblocked":
      return { status: "ready", blockedReason: null }
    case "CardCompleted":
      return {
        ...noClaim,
        status: "done",
        result: event.result,
        blockedReason: null,
        notBefore: null,
        completedAt: time
      }
    case "CardReopened":
      return { status: "ready", result: null, completedAt: null }
    case "CardRedacted":
      return {}
  }
}
