import { Cause, type Duration, Effect, Exit, type Scope, Stream } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import type { CheckpointMoved, Checkpoints } from "./Checkpoints.ts"
import type { EventLog } from "./EventLog.ts"
import { headAfter } from "./feed.ts"
import type { EventFilter } from "./readEvents.ts"
import type { RecordedEvent } from "./RecordedEvent.ts"
import { recordedOf } from "./StoredEvent.ts"

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

/**
 * Gives a consumer every event after its checkpoint, in order, and moves the checkpoint in the transaction in which the
 * handler writes: whatever the handler wrote to this database happened once for each event, even if the process is
 * killed at any moment. Of two consumers of one name, one waits for the other's transaction and goes on from there.
 * Answers how many events were handled; never, with `follow`.
 */
export const consume = <E, R>(
  sql: SqlClient.SqlClient,
  log: EventLog["Service"],
  checkpoints: Checkpoints["Service"],
  options: ConsumeOptions<E, R>
): Effect.Effect<number, E | CheckpointMoved | SqlError.SqlError, Exclude<R, Scope.Scope>> => {
  const { batchSize, consumer, handler, parkAfter } = options

  /** In a savepoint of its own: what an event that fails wrote is taken back, and nothing else. */
  const handle = (event: RecordedEvent) => {
    const once = sql.withTransaction(handler(event))
    return Effect.exit(parkAfter === undefined ? once : Effect.retry(once, { times: parkAfter - 1 }))
  }

  /** The next events in one transaction; those before one that fails stay done. */
  const batch = sql.withTransaction(
    Effect.gen(function* () {
      const from = yield* checkpoints.lock(consumer)
      const upTo = (yield* log.head("read")).position
      const events = yield* log
        .between(from, upTo, options)
        .pipe(Stream.take(batchSize), Stream.map(recordedOf), Stream.runCollect)
      let position = from
      let handled = 0
      for (const event of events) {
        const exit = yield* handle(event)
        if (Exit.isFailure(exit)) {
          if (parkAfter === undefined || Cause.hasInterrupts(exit.cause)) {
            yield* checkpoints.advance(consumer, from, position)
            return { handled, position, more: false, failure: exit.cause }
          }
          yield* checkpoints.park(consumer, event.position, Cause.pretty(exit.cause).slice(0, 16_000))
        } else handled++
        position = event.position
      }
      const more = events.length === batchSize
      if (!more) position = Math.max(position, upTo)
      if (position > from) yield* checkpoints.advance(consumer, from, position)
      return { handled, position, more, failure: undefined }
    })
  )

  return Effect.scoped(
    Effect.gen(function* () {
      const commits = yield* log.commits
      let handled = 0
      for (;;) {
        const done = yield* batch
        handled += done.handled
        if (done.failure !== undefined) return yield* Effect.failCause(done.failure)
        if (done.more) continue
        if (!options.follow) return handled
        yield* headAfter(log, done.position, commits, options.pollInterval)
      }
    })
  )
}
