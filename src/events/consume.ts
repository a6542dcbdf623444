import { Cause, type Duration, Effect, Exit, type Scope } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { CheckpointAhead, type CheckpointMoved, type Checkpoints } from "./Checkpoints.ts"
import type { EventLog, LogFailure } from "./EventLog.ts"
import { MomentNotReached, requireReached } from "./MomentNotReached.ts"
import type { RecordedEvent } from "./RecordedEvent.ts"
import { toRecordedEvent } from "./StoredEvent.ts"
import { sanitizeCause } from "../sql/sanitize.ts"
import { awaitHeadAfter } from "./feed.ts"
import type { EventFilter } from "./LogReader.ts"
import { isNoAnswer } from "../sql/AnswerTimeout.ts"
import { inTransaction, beginReadCommitted } from "../sql/inTransaction.ts"

/** How a consumer takes events. */
export interface ConsumeOptions<E, R> extends EventFilter {
  readonly consumer: string
  /** What is done with each event, in the transaction that moves the checkpoint. */
  readonly handler: (event: RecordedEvent) => Effect.Effect<void, E, R>
  readonly follow: boolean
  /** Events that one transaction takes at most. */
  readonly batchSize: number
  /** How often an event is tried before it is parked; `undefined` when none is to be parked. */
  readonly parkAfter: number | undefined
  readonly pollInterval: Duration.Duration
}

/** Events of the log that were read ahead: all that the consumer takes, after one position and up to another. */
interface Ahead {
  readonly after: number
  readonly upTo: number
  readonly events: ReadonlyArray<RecordedEvent>
}

/**
 * Gives a consumer every event after its checkpoint, in order, and moves the checkpoint in the transaction in which the
 * handler writes: whatever the handler wrote to this database happened once for each event, even if the process is
 * killed at any moment. Of two consumers of one name, one waits for the other's transaction and goes on from there.
 * Answers how many events were handled; never, with `follow`. Fails with `CheckpointAhead` when the checkpoint is beyond
 * the end of the log.
 */
export const consume = <E, R>(
  sql: SqlClient.SqlClient,
  log: EventLog["Service"],
  checkpoints: Checkpoints["Service"],
  options: ConsumeOptions<E, R>
): Effect.Effect<
  number,
  E | CheckpointAhead | CheckpointMoved | MomentNotReached | LogFailure,
  Exclude<R, Scope.Scope>
> => {
  const { batchSize, consumer, follow, handler, parkAfter } = options

  /** In a savepoint of its own: what an event that fails wrote is taken back, and nothing else. */
  const handle = Effect.fnUntraced(function* (event: RecordedEvent) {
    for (let tries = 1; ; tries++) {
      const exit = yield* Effect.exit(inTransaction(sql)(Effect.suspend(() => handler(event))))
      if (Exit.isSuccess(exit) || parkAfter === undefined || tries >= parkAfter || Cause.hasInterrupts(exit.cause)) {
        return exit
      }
    }
  })

  /** Names the consumer whose checkpoint the log does not reach. */
  const notAhead = <A, F>(position: number, read: Effect.Effect<A, F | MomentNotReached>) =>
    Effect.catchIf(
      read,
      (error): error is MomentNotReached => error instanceof MomentNotReached,
      () => Effect.flatMap(log.head("read"), (head) => new CheckpointAhead({ consumer, position, head: head.position }))
    )

  return Effect.scoped(
    Effect.gen(function* () {
      const commits = yield* log.subscribeCommits
      const end = follow ? Number.POSITIVE_INFINITY : (yield* log.head("read")).position
      // What lies in the log stays as it is, so a page serves many transactions.
      let ahead: Ahead = { after: 0, upTo: 0, events: [] }

      const readAhead = Effect.fnUntraced(function* (after: number) {
        const upTo = Math.min((yield* notAhead(after, requireReached(log, after))).position, end)
        const page = yield* log.page(after, upTo, options)
        ahead = { after, upTo: page.at(-1)?.position ?? upTo, events: page.map(toRecordedEvent) }
      })

      /** The next events in one transaction; those before one that fails stay done. */
      let isLocking = false
      const batch = Effect.gen(function* () {
        isLocking = true
        const from = yield* checkpoints.lock(consumer)
        isLocking = false
        if (from < ahead.after || from >= ahead.upTo) yield* readAhead(from)
        const waiting = ahead.events.filter((event) => event.position > from)
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
        // Also past what this consumer does not take.
        if (waiting.length <= batchSize) position = Math.max(position, ahead.upTo)
        if (position > from) yield* checkpoints.advance(consumer, from, position)
        return { handled, position, failure: undefined }
      }).pipe(
        inTransaction(sql),
        Effect.provideService(SqlClient.BeginTransaction, beginReadCommitted),
        // Another consumer of this name may hold the checkpoint for any length of time, and the server says nothing then.
        Effect.retry({ while: (error) => isLocking && SqlError.isSqlError(error) && isNoAnswer(error) })
      )

      let handled = 0
      for (;;) {
        const done = yield* batch
        handled += done.handled
        if (done.failure !== undefined) return yield* Effect.failCause(done.failure)
        if (done.position >= end) return handled
        if (follow) {
          yield* notAhead(done.position, awaitHeadAfter(log, done.position, commits, options.pollInterval))
        }
      }
    })
  )
}

/** Characters of a reason that are kept. */
const reasonLength = 16_000

/**
 * Why an event failed, as it is parked: without secrets, without content of rows, and without what Postgres does not store
 * as text (NUL, half a surrogate pair).
 */
export const parkReason = (cause: Cause.Cause<unknown>): string =>
  Cause.pretty(sanitizeCause(cause)).slice(0, reasonLength).replaceAll("\0", "\u2400").toWellFormed()
