import type { Card, CardId } from "../index.ts"
import type { SqlError } from "effect/sql"

/** What happens while a worker works. `card` is the card as it was when it was claimed. */
export type WorkerEvent =
  /** It has a card, and will begin with it when it is its turn. */
  | { readonly _tag: "Claimed"; readonly card: Card }
  | { readonly _tag: "Completed"; readonly card: Card; readonly madeClaimable: ReadonlyArray<CardId> }
  /** An attempt failed, and the card may be tried again. */
  | { readonly _tag: "Failed"; readonly card: Card; readonly reason: string; readonly retryAfterSeconds: number }
  /** An attempt failed that was the last. */
  | { readonly _tag: "Blocked"; readonly card: Card; readonly reason: string }
  /** The card is no longer this worker's, and what was done has no effect on it. */
  | { readonly _tag: "Lost"; readonly card: Card; readonly reason: string }
  /** The worker ends, and the card is free for others. */
  | { readonly _tag: "Released"; readonly card: Card; readonly reason: string }
  /** It begins with no more cards, and waits for those that it works on. */
  | { readonly _tag: "Stopping" }
  /** The database cannot be asked now; it is tried again. */
  | { readonly _tag: "Unavailable"; readonly error: SqlError.SqlError; readonly retryAfterMillis: number }

/** How many cards a worker has seen, and what became of them. */
export interface WorkerReport {
  readonly claimed: number
  readonly completed: number
  readonly failed: number
  readonly blocked: number
  readonly lost: number
  readonly released: number
}
