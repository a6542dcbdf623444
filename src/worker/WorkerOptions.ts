import { type Duration, Effect, Schema } from "effect"
import type { SqlError } from "effect/sql"
import { ClaimMany, Complete, Release } from "../domain/Command.ts"
import type { Card, CardId } from "../index.ts"
import { decodeInput } from "../services/decodeInput.ts"

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

const count = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const seconds = Release.fields.retryAfterSeconds.schema.members[0].check(Schema.isGreaterThanOrEqualTo(1))

/** What of a worker's options is data, with what holds when nothing is said. */
const Settings = Schema.Struct({
  owner: ClaimMany.fields.owner,
  actor: Schema.optional(Complete.fields.actor),
  phase: ClaimMany.fields.phase,
  minPriority: ClaimMany.fields.minPriority,
  ttlSeconds: ClaimMany.fields.ttlSeconds,
  concurrency: Schema.optional(count(1, 500)),
  prefetch: Schema.optional(count(0, 500)),
  maxAttempts: Schema.optional(count(1, 1_000_000)),
  retryAfterSeconds: Schema.optional(seconds),
  maxRetryAfterSeconds: Schema.optional(seconds),
  pollSeconds: Schema.optional(count(1, 3600)),
  untilEmpty: Schema.optional(Schema.Boolean),
  maxCards: Schema.optional(count(1, Number.MAX_SAFE_INTEGER))
})

/** How a worker works. */
export interface WorkerOptions<E = never, R = never> {
  /** Whom its claims name. Each process has a name of its own. */
  readonly owner: string
  /** Whom its events name, the owner unless told otherwise. */
  readonly actor?: string | undefined
  /** Only cards of this phase. */
  readonly phase?: string | undefined
  /** Only cards of this priority or more. */
  readonly minPriority?: number | undefined
  /**
   * What is done with a card. What it answers, any JSON, is the card's result; `undefined` is `null`. It fails the attempt
   * by failing, dying or interrupting itself. It is interrupted when the lease is lost, and when the worker ends and the
   * grace period is over: whatever it does in finalizers then is waited for.
   */
  readonly handler: (card: Card) => Effect.Effect<unknown, E, R>
  /** Cards that are worked on at the same time, 1 unless told otherwise, 500 at most. */
  readonly concurrency?: number | undefined
  /**
   * Cards that are claimed ahead, and wait under leases that are renewed: none unless told otherwise, 500 at most. Worth it
   * for cards that take less time than the way to the database.
   */
  readonly prefetch?: number | undefined
  /**
   * How long a lease lasts, 300 seconds unless told otherwise. It is renewed when a third of that has passed; a card whose
   * worker was killed is free after so long at most.
   */
  readonly ttlSeconds?: number | undefined
  /** An attempt that fails blocks the card when it is its fifth, or this one, or a later one. */
  readonly maxAttempts?: number | undefined
  /**
   * After how many seconds a card is tried again whose first attempt failed, 10 unless told otherwise; twice that after
   * the second, and so on. Of each such time between a half and the whole is taken, by chance.
   */
  readonly retryAfterSeconds?: number | undefined
  /** The longest that such a time becomes, 3,600 seconds unless told otherwise. */
  readonly maxRetryAfterSeconds?: number | undefined
  /** How often it claims without having heard of a card, in seconds, 30 unless told otherwise. */
  readonly pollSeconds?: number | undefined
  /**
   * How long handlers may go on once the worker is interrupted, 10 seconds unless told otherwise. Then they are
   * interrupted and their cards given back.
   */
  readonly gracePeriod?: Duration.Input | undefined
  /**
   * Ends when nothing can come to be claimable by work or time alone: every card is done, or blocked, or waits for such.
   * `false` unless told otherwise.
   */
  readonly untilEmpty?: boolean | undefined
  /** Ends when it has claimed so many times, and is done with what it claimed. */
  readonly maxCards?: number | undefined
  /** Is told what happens, in order. The worker waits for it. */
  readonly onEvent?: ((event: WorkerEvent) => Effect.Effect<void>) | undefined
}

const decode = decodeInput(Settings)

/** Options that have been checked, and are complete. */
export type Settings = ReturnType<typeof complete>

const complete = (given: typeof Settings.Type) => ({
  choice: { phase: given.phase, minPriority: given.minPriority },
  owner: given.owner,
  actor: given.actor ?? given.owner,
  ttlSeconds: given.ttlSeconds ?? 300,
  concurrency: given.concurrency ?? 1,
  prefetch: given.prefetch ?? 0,
  maxAttempts: given.maxAttempts ?? 5,
  retryAfterSeconds: given.retryAfterSeconds ?? 10,
  maxRetryAfterSeconds: given.maxRetryAfterSeconds ?? 3600,
  pollSeconds: given.pollSeconds ?? 30,
  untilEmpty: given.untilEmpty ?? false,
  maxCards: given.maxCards ?? Infinity
})

/** Checks what of a worker's options is data. */
export const decodeWorkerOptions = <E, R>({
  gracePeriod: _gracePeriod,
  handler: _handler,
  onEvent: _onEvent,
  ...data
}: WorkerOptions<E, R>) => Effect.map(decode(data), complete)
