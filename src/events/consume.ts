import { Cause, type Duration, Effect, Exit, type Scope } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { CheckpointAhead, type CheckpointMoved, type Checkpoints } from "./Checkpoints.ts"
import type { EventLog, LogFailure } from "./EventLog.ts"
import { MomentNotReached } from "./MomentNotReached.ts"
import type { ReadGate } from "./ReadGate.ts"
import type { RecordedEvent } from "./RecordedEvent.ts"
import { toRecordedEvent } from "./StoredEvent.ts"
import { beginningOf } from "../domain/displayText.ts"
import { sanitizeCause } from "../sql/sanitize.ts"
import { awaitHeadAfter } from "./feed.ts"
import type { EventFilter } from "./LogReader.ts"
import { isNoAnswer } from "../sql/AnswerTimeout.ts"
import { inTransaction, beginReadCommitted } from "../sql/inTransaction.ts"

/** Options of a consumer of events. */
export interface ConsumeOptions<E, R> extends EventFilter {
  readonly consumer: string
  /** Handles an event, in the transaction that moves the checkpoint. */
  readonly handler: (event: RecordedEvent) => Effect.Effect<void, E, R>
  readonly follow: boolean
  /** Maximum number of events of one transaction. */
  readonly batchSize: number
  /** Number of attempts after which an event is parked. `undefined`: events are never parked. */
  readonly parkAfter: number | undefined
  readonly pollInterval: Duration.Duration
}

/** Prefetched events: those that match the filter, after one position and up to another. */
interface Prefetched {
  readonly after: number
  readonly upTo: number
  readonly events: ReadonlyArray<RecordedEvent>
}

/**
 * Handles all events after the consumer's checkpoint, in order, and moves the checkpoint in the same transaction as the
 * writes of the handler: these writes to this database take effect exactly once for each event, even if the process is
 * killed at any moment. When two consumers have one name, one waits for the other's transaction and continues from there.
 * Returns the number of handled events, or never with `follow`. Fails with `CheckpointAhead` when the checkpoint is beyond the
 * end of the log.
 */
export const consume = <E, R>(
  sql: SqlClient.SqlClient,
  log: EventLog["Service"],
  gate: ReadGate["Service"],
  checkpoints: Checkpoints["Service"],
  options: ConsumeOptions<E, R>
): Effect.Effect<
  number,
  E | CheckpointAhead | CheckpointMoved | MomentNotReached | LogFailure,
  Exclude<R, Scope.Scope>
> => {
  const { batchSize, consumer, follow, handler, parkAfter } = options

  /** Runs the handler in its own savepoint: the writes of a failed event are rolled back, and nothing else. */
  const handle = Effect.fnUntraced(function* (event: RecordedEvent) {
    for (let attempt = 1; ; attempt++) {
      const exit = yield* Effect.exit(inTransaction(sql)(Effect.suspend(() => handler(event))))
      if (Exit.isSuccess(exit) || parkAfter === undefined || attempt >= parkAfter || Cause.hasInterrupts(exit.cause)) {
        return exit
      }
    }
  })

  /** Fails with `CheckpointAhead`, which names the consumer, instead of `MomentNotReached`. */
  const orCheckpointAhead = <A, F>(position: number, read: Effect.Effect<A, F | MomentNotReached>) =>
    Effect.catchIf(
      read,
      (error): error is MomentNotReached => error instanceof MomentNotReached,
      () => Effect.flatMap(gate.end, (head) => new CheckpointAhead({ consumer, position, head: head.position }))
    )

  return Effect.scoped(
    Effect.gen(function* () {
      const commits = yield* log.subscribeCommits
      const end = follow ? Number.POSITIVE_INFINITY : (yield* gate.end).position
      // The log is append-only, so one page serves several transactions.
      let prefetched: Prefetched = { after: 0, upTo: 0, events: [] }

      const prefetch = Effect.fnUntraced(function* (after: number) {
        const upTo = Math.min((yield* orCheckpointAhead(after, gate.requireReached(after))).position, end)
        const page = yield* log.page(after, upTo, options)
        prefetched = { after, upTo: page.at(-1)?.position ?? upTo, events: page.map(toRecordedEvent) }
      })

      /** Handles the next events in one transaction. When one fails, the events before it remain handled. */
      let isLocking = false
      const batch = Effect.gen(function* () {
        isLocking = true
        const from = yield* checkpoints.lock(consumer)
        isLocking = false
        if (from < prefetched.after || from >= prefetched.upTo) yield* prefetch(from)
        const waiting = prefetched.events.filter((event) => event.position > from)
        let position = from
        let handled = 0
        for (const event of waiting.slice(0, batchSize)) {
          const exit = yield* handle(event)
          if (Exit.isFailure(exit)) {
            if (parkAfter === undefined || Cause.hasInterrupts(exit.cause)) {
              yield* checkpoints.advance(consumer, from, position)
              return { handled, position, failure: exit.cause }
            }
            yield* checkpoints.park(consumer, event.position, parkReason(exit.cause))
          } else handled++
          position = event.position
        }
        // Also moves past events that do not match the filter.
        if (waiting.length <= batchSize) position = Math.max(position, prefetched.upTo)
        if (position > from) yield* checkpoints.advance(consumer, from, position)
        return { handled, position, failure: undefined }
      }).pipe(
        inTransaction(sql),
        Effect.provideService(SqlClient.BeginTransaction, beginReadCommitted),
        // Another consumer with this name may hold the checkpoint lock for longer than the answer timeout.
        Effect.retry({ while: (error) => isLocking && SqlError.isSqlError(error) && isNoAnswer(error) })
      )

      let handled = 0
      for (;;) {
        const done = yield* batch
        handled += done.handled
        if (done.failure !== undefined) return yield* Effect.failCause(done.failure)
        if (done.position >= end) return handled
        if (follow) {
          yield* orCheckpointAhead(done.position, awaitHeadAfter(gate, done.position, commits, options.pollInterval))
        }
      }
    })
  )
}

/** Maximum characters of a stored reason. */
const maxReasonLength = 16_000

/**
 * The reason of a parked event: without secrets, without content of rows, and without characters that Postgres does not
 * store as text (NUL, lone surrogates).
 */
export const parkReason = (cause: Cause.Cause<unknown>): string =>
  beginningOf(Cause.pretty(sanitizeCause(cause)), maxReasonLength)
    .replaceAll("\0", "\u2400")
    .toWellFormed()
