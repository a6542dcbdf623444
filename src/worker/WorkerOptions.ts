import { Effect, Schema } from "effect"
import { ClaimMany, Complete, Release } from "../domain/Command.ts"
import type { BacklogFailure, CardId, ClaimedCard } from "../index.ts"
import { decodeInput } from "../services/decodeInput.ts"

/** Options of a worker. */
export interface WorkerOptions<E = never, R = never> {
  /** The owner of the worker's claims. Must be different for each process. */
  readonly owner: string
  /** The actor of the worker's events. Defaults to `owner`. */
  readonly actor?: string | undefined
  /** Claims only cards of this phase. Defaults to cards of any phase. */
  readonly phase?: string | undefined
  /** Claims only cards with at least this priority. Defaults to cards of any priority. */
  readonly minPriority?: number | undefined
  /** Claims only cards that have all of these labels. Defaults to all cards. */
  readonly labels?: ReadonlyArray<string> | undefined
  /** Claims only cards that have none of these labels. Defaults to all cards. */
  readonly withoutLabels?: ReadonlyArray<string> | undefined
  /**
   * Works on one card. The worker stores the value that it returns, any JSON, as the card's result, and `undefined` as
   * `null`. The attempt fails when the handler fails, dies or interrupts itself. A handler that fails with `HandlerUnusable`
   * stops the worker.
   *
   * The worker interrupts the handler when it loses the lease, and when it is stopping and the grace period has expired. It
   * waits for the handler's finalizers.
   */
  readonly handler: (card: ClaimedCard) => Effect.Effect<unknown, E, R>
  /** Maximum number of handlers that run at the same time, 1 to 500. Defaults to 1. */
  readonly concurrency?: number | undefined
  /**
   * Number of cards to claim ahead, 0 to 500. The worker renews their leases while they wait. Useful when a card takes less
   * time than a round trip to the database. Defaults to 0.
   */
  readonly prefetch?: number | undefined
  /**
   * Length of a lease in seconds. The worker renews a lease once a quarter to a third of it has passed. When the worker's
   * process is killed, its cards become claimable after at most this time. Defaults to 300.
   */
  readonly ttlSeconds?: number | undefined
  /**
   * Maximum number of failed attempts at a card before it is blocked, 1 to 1,000,000. An attempt fails when the handler fails,
   * and when its lease expires because the worker's process was killed. An attempt that ends because the worker stops does not
   * count. Defaults to 5.
   */
  readonly maxAttempts?: number | undefined
  /**
   * Stops the worker with `HandlerUnusable` when each of its first cards, up to this number, fails within one second. The worker
   * releases the last of these cards, and its attempt does not count as failed. 0 disables this. Defaults to 5.
   */
  readonly maxFailures?: number | undefined
  /**
   * Delay before the first retry of a card, in seconds. It doubles with each failed attempt, up to `maxRetryAfterSeconds`. The
   * actual delay is random, between half of it and all of it. Defaults to 10.
   */
  readonly retryAfterSeconds?: number | undefined
  /**
   * Maximum delay before a retry, in seconds, at least `retryAfterSeconds`. Defaults to 3,600, or to `retryAfterSeconds` if
   * that is more.
   */
  readonly maxRetryAfterSeconds?: number | undefined
  /** Interval at which the worker polls for claimable cards, in addition to commit notifications, in seconds. Defaults to 30. */
  readonly pollSeconds?: number | undefined
  /**
   * Time that handlers may continue after the worker begins to stop, in seconds, 0 to 86,400. The worker then interrupts them and
   * releases their cards. Defaults to 10.
   */
  readonly gracePeriodSeconds?: number | undefined
  /**
   * Ends when each card that matches the worker's filter is done, is blocked, or waits for a card that is blocked, does not
   * exist, or does not match the filter. Claimed and deferred cards that match keep it running. Defaults to `false`.
   */
  readonly untilEmpty?: boolean | undefined
  /** Ends after this many claims, once the claimed cards are settled. Defaults to no limit. */
  readonly maxCards?: number | undefined
  /** Runs for each event, in order. The worker waits for it. Defaults to no handler. */
  readonly onEvent?: ((event: WorkerEvent) => Effect.Effect<void>) | undefined
}

/** An event in a worker's run. `card` is the card as it was when the worker claimed it. */
export type WorkerEvent =
  /** The worker claimed a card, and starts it as soon as `concurrency` allows. */
  | { readonly _tag: "Claimed"; readonly card: ClaimedCard }
  /** The worker completed a card. */
  | { readonly _tag: "Completed"; readonly card: ClaimedCard; readonly madeClaimable: ReadonlyArray<CardId> }
  /** An attempt failed, and the card will be retried. */
  | { readonly _tag: "Failed"; readonly card: ClaimedCard; readonly reason: string; readonly retryAfterSeconds: number }
  /** The last attempt failed. */
  | { readonly _tag: "Blocked"; readonly card: ClaimedCard; readonly reason: string }
  /** The worker lost its claim on a card; the handler's result has no effect. */
  | { readonly _tag: "Lost"; readonly card: ClaimedCard; readonly reason: string }
  /** The worker stopped before the card was done, and released it. */
  | { readonly _tag: "Released"; readonly card: ClaimedCard; readonly reason: string }
  /** The worker starts no more cards, and waits for the handlers that run. */
  | { readonly _tag: "Stopping" }
  /** The database is unavailable; the worker retries after `retryAfterMillis`. */
  | { readonly _tag: "Unavailable"; readonly error: BacklogFailure; readonly retryAfterMillis: number }

/** The number of cards that a worker claimed, and the number of claims with each end. */
export interface WorkerReport {
  readonly claimed: number
  readonly completed: number
  readonly failed: number
  readonly blocked: number
  readonly lost: number
  readonly released: number
}

const integer = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const retrySeconds = Release.fields.retryAfterSeconds.schema.members[0].check(Schema.isGreaterThanOrEqualTo(1))

/** A maximum below the first delay would silently shorten it. */
const maxRetryAtLeastFirst = Schema.makeFilter<{
  readonly retryAfterSeconds?: number | undefined
  readonly maxRetryAfterSeconds?: number | undefined
}>(
  ({ maxRetryAfterSeconds, retryAfterSeconds = defaultRetryAfterSeconds }) =>
    maxRetryAfterSeconds === undefined || maxRetryAfterSeconds >= retryAfterSeconds
      ? undefined
      : { path: ["maxRetryAfterSeconds"], issue: `must be at least retryAfterSeconds, which is ${retryAfterSeconds}` },
  { expected: "maxRetryAfterSeconds that is at least retryAfterSeconds" }
)

const defaultRetryAfterSeconds = 10

/** The options that are data. */
const DataOptions = Schema.Struct({
  owner: ClaimMany.fields.owner,
  actor: Schema.optional(Complete.fields.actor),
  phase: ClaimMany.fields.phase,
  minPriority: ClaimMany.fields.minPriority,
  labels: ClaimMany.fields.labels,
  withoutLabels: ClaimMany.fields.withoutLabels,
  ttlSeconds: ClaimMany.fields.ttlSeconds,
  concurrency: Schema.optional(integer(1, 500)),
  prefetch: Schema.optional(integer(0, 500)),
  maxAttempts: ClaimMany.fields.maxAttempts,
  maxFailures: Schema.optional(integer(0, 1_000_000)),
  retryAfterSeconds: Schema.optional(retrySeconds),
  maxRetryAfterSeconds: Schema.optional(retrySeconds),
  pollSeconds: Schema.optional(integer(1, 3600)),
  gracePeriodSeconds: Schema.optional(integer(0, 86_400)),
  untilEmpty: Schema.optional(Schema.Boolean),
  maxCards: Schema.optional(integer(1, Number.MAX_SAFE_INTEGER))
}).check(maxRetryAtLeastFirst)

const decode = decodeInput(DataOptions)

const applyDefaults = (options: typeof DataOptions.Type) => ({
  choice: {
    phase: options.phase,
    minPriority: options.minPriority,
    labels: options.labels,
    withoutLabels: options.withoutLabels
  },
  owner: options.owner,
  actor: options.actor ?? options.owner,
  ttlSeconds: options.ttlSeconds ?? 300,
  concurrency: options.concurrency ?? 1,
  prefetch: options.prefetch ?? 0,
  maxAttempts: options.maxAttempts ?? 5,
  maxFailures: options.maxFailures ?? 5,
  retryAfterSeconds: options.retryAfterSeconds ?? defaultRetryAfterSeconds,
  maxRetryAfterSeconds: options.maxRetryAfterSeconds ?? Math.max(3600, options.retryAfterSeconds ?? 0),
  pollSeconds: options.pollSeconds ?? 30,
  gracePeriodSeconds: options.gracePeriodSeconds ?? 10,
  untilEmpty: options.untilEmpty ?? false,
  maxCards: options.maxCards ?? Infinity
})

/** The options that are data, decoded and with defaults. */
export type WorkerSettings = ReturnType<typeof applyDefaults>

/** Decodes the options that are data, and applies the defaults. Fails with `InvalidInput`. */
export const decodeWorkerOptions = <E, R>({ handler: _handler, onEvent: _onEvent, ...data }: WorkerOptions<E, R>) =>
  Effect.map(decode(data), applyDefaults)
