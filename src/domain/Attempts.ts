import type { DateTime } from "effect"
import type { Event } from "./Event.ts"
import { formatTime } from "./Time.ts"

/** An attempt at a card that failed: its lease expired, or its claim was released with a retry time. */
export interface FailedAttempt {
  /** The number of the attempt: 1 for the card's first claim. */
  readonly number: number
  readonly owner: string
  readonly endedAt: DateTime.Utc
  readonly cause:
    | { readonly _tag: "LeaseExpired" }
    /** The reason of the release; `null` if it had none. */
    | { readonly _tag: "Released"; readonly reason: string | null }
}

/** The attempts at a card: one for each claim. */
export interface Attempts {
  /** The number of times that the card was claimed. */
  readonly count: number
  /** The failed ones since the card was last unblocked or reopened, in order. */
  readonly failed: ReadonlyArray<FailedAttempt>
}

/** The attempts at a card that was never claimed. */
export const noAttempts: Attempts = { count: 0, failed: [] }

/**
 * Adds the next event of a card's stream to its attempts. An attempt does not count as failed if it ended with a release without
 * a retry time, a reclaim before the lease expired, a restore, or a block. A card that is unblocked or reopened gets new
 * attempts.
 */
export const addToAttempts = (
  attempts: Attempts,
  { event, occurredAt }: { readonly event: Event; readonly occurredAt: DateTime.Utc }
): Attempts => {
  const fail = (owner: string, cause: FailedAttempt["cause"]): Attempts => ({
    ...attempts,
    failed: [...attempts.failed, { number: attempts.count, owner, endedAt: occurredAt, cause }]
  })
  switch (event._tag) {
    case "CardClaimed":
      return { ...attempts, count: attempts.count + 1 }
    case "CardReclaimed":
      return event.why === "expired" ? fail(event.owner, { _tag: "LeaseExpired" }) : attempts
    case "CardReleased":
      return event.notBefore === null ? attempts : fail(event.owner, { _tag: "Released", reason: event.reason })
    case "CardUnblocked":
    case "CardReopened":
      return { ...attempts, failed: [] }
    default:
      return attempts
  }
}

/** Maximum number of attempts that a reason lists: the last ones. The longest names and reasons take 15.5 KB of at most 16 KiB. */
const maxListed = 10

/** Maximum characters of one attempt's reason in the list. The event of the attempt has the whole reason. */
const maxReasonLength = 300

/** The reason of the block of a card whose attempts all failed: how each ended. */
export const describeExhaustion = (failed: ReadonlyArray<FailedAttempt>, maxAttempts: number): string => {
  const earlier = failed.length - maxListed
  return [
    `${failed.length} of ${maxAttempts} attempts failed.`,
    ...(earlier > 0 ? [`The first ${earlier} are in the card's history.`] : []),
    ...failed.slice(-maxListed).map(describeAttempt)
  ].join("\n")
}

const describeAttempt = ({ cause, endedAt, number, owner }: FailedAttempt): string => {
  const how =
    cause._tag === "LeaseExpired"
      ? `Attempt ${number} ended without a result: its lease expired.`
      : cause.reason === null
        ? `Attempt ${number} failed.`
        : shorten(cause.reason)
  return `${formatTime(endedAt)} ${owner}: ${how}`
}

const shorten = (text: string): string =>
  text.length <= maxReasonLength ? text : `${text.slice(0, maxReasonLength).toWellFormed()}…`
