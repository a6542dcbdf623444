import { Context, type DateTime, Duration, Effect, Schema } from "effect"
import { type SqlClient, SqlError } from "effect/sql"
import { errorCode } from "../sql/databaseErrors.ts"
import type { EventLog, Head } from "./EventLog.ts"

/**
 * The server is a hot standby, which accepts no commands. Nothing was written.
 *
 * What to do: send commands to the primary server.
 */
export class ReadOnlyReplica extends Schema.TaggedError<ReadOnlyReplica>()("ReadOnlyReplica", {}) {
  override get message(): string {
    return "The server is a read-only replica and accepts no commands. Connect to its primary server."
  }
}

/**
 * A hot standby has not replayed the requested position or time yet.
 *
 * What to do: wait and try again, or read from the primary server.
 */
export class ReplicaBehind extends Schema.TaggedError<ReplicaBehind>()("ReplicaBehind", {
  /** The requested position or time: `position 900`. */
  asked: Schema.String,
  /** The position of the last event on the replica. */
  position: Schema.Int
}) {
  override get message(): string {
    return (
      `This server is a read-only replica that lags behind its primary server: it has the log up to position ` +
      `${this.position} and does not have ${this.asked} yet. Try again later, or connect to the primary server.`
    )
  }
}

/**
 * A hot standby canceled a read that conflicts with changes that it has to replay.
 *
 * What to do: try again, or read from the primary server.
 */
export class ReplicaConflict extends Schema.TaggedError<ReplicaConflict>()("ReplicaConflict", {}) {
  override get message(): string {
    return (
      "The server is a read-only replica and canceled this read, because it conflicts with changes from the primary " +
      "server. Try again. If it happens often, set hot_standby_feedback = on or raise max_standby_streaming_delay on the " +
      "replica."
    )
  }
}

/** The errors that only a hot standby has. */
export type ReplicaError = ReadOnlyReplica | ReplicaBehind | ReplicaConflict

/** The replica error that caused a database error, if any. */
export const replicaErrorOf = ({ reason: { cause } }: SqlError.SqlError): ReplicaError | undefined =>
  cause instanceof ReadOnlyReplica || cause instanceof ReplicaBehind || cause instanceof ReplicaConflict
    ? cause
    : undefined

/** Maximum time that reads wait for a replica to replay a requested position or time. Defaults to 5 seconds. */
export const ReplicaWait: Context.Reference<Duration.Duration> = Context.Reference<Duration.Duration>(
  "mosaic-backlog/events/ReplicaWait",
  { defaultValue: () => Duration.seconds(5) }
)

const pollInterval = "50 millis"

const toSqlError = (error: ReplicaError): SqlError.SqlError =>
  new SqlError.SqlError({
    reason: new SqlError.UnknownError({ cause: error, message: error.message, operation: "replica" })
  })

/**
 * Returns the end of the log for a read with a position. On a hot standby that has not replayed the position it waits up to
 * `ReplicaWait`, and then fails with `ReplicaBehind`. On any other server it returns at once.
 */
export const awaitPosition = (log: EventLog["Service"], position: number): Effect.Effect<Head, SqlError.SqlError> =>
  Effect.gen(function* () {
    const head = yield* log.head("read")
    if (head.position >= position || !(yield* log.isReplica)) return head
    return yield* pollReplica(
      Effect.map(log.head("read"), (now) => (now.position >= position ? now : undefined)),
      log,
      `position ${position}`
    )
  })

/** Waits like `awaitPosition` for all events that were recorded by a time. */
export const awaitRecordedUntil = (log: EventLog["Service"], time: DateTime.Utc, name: string) =>
  Effect.gen(function* () {
    const done = Effect.map(log.hasReplayed(time), (is) => (is ? true : undefined))
    return (yield* done) ?? (yield* pollReplica(done, log, name))
  })

const pollReplica = Effect.fnUntraced(function* <A>(
  poll: Effect.Effect<A | undefined, SqlError.SqlError>,
  log: EventLog["Service"],
  asked: string
) {
  const end = performance.now() + Duration.toMillis(yield* ReplicaWait)
  for (;;) {
    const found = yield* poll
    if (found !== undefined) return found
    if (performance.now() >= end) {
      return yield* toSqlError(new ReplicaBehind({ asked, position: (yield* log.head("read")).position }))
    }
    yield* Effect.sleep(pollInterval)
  }
})

/** SQLSTATEs of a write on a hot standby, of a function that needs a primary, and of a canceled read. */
const readOnlyCode = "25006"
const recoveryCodes = new Set(["0A000", "55000"])
const conflictCode = "40001"

/**
 * Replaces the cause of a `SqlError` that only a hot standby has by `ReadOnlyReplica` or `ReplicaConflict`. The error of a
 * read-only role on a primary server is unchanged.
 */
export const withReplicaErrors =
  (sql: SqlClient.SqlClient) =>
  <A, E, R>(effect: Effect.Effect<A, E | SqlError.SqlError, R>): Effect.Effect<A, E | SqlError.SqlError, R> =>
    Effect.catchIf(
      effect,
      (error): error is (E | SqlError.SqlError) & SqlError.SqlError =>
        SqlError.isSqlError(error) && suspectReplicaError(error) !== undefined,
      (error) =>
        Effect.flatMap(isReplica(sql), (is): Effect.Effect<never, E | SqlError.SqlError> => {
          const replicaError = suspectReplicaError(error)
          return Effect.fail(is && replicaError !== undefined ? toSqlError(replicaError) : error)
        })
    )

const suspectReplicaError = ({ reason: { cause } }: SqlError.SqlError): ReplicaError | undefined => {
  const code = errorCode(cause) ?? ""
  if (code === readOnlyCode || recoveryCodes.has(code)) return new ReadOnlyReplica()
  return code === conflictCode ? new ReplicaConflict() : undefined
}

/** Asks the server outside of the failed transaction, which accepts no statements. */
const isReplica = (sql: SqlClient.SqlClient): Effect.Effect<boolean> =>
  sql<{ readonly isReplica: boolean }>`SELECT pg_is_in_recovery() AS "isReplica"`.pipe(
    Effect.map(([row]) => row?.isReplica === true),
    Effect.updateContext((context: Context.Context<never>) => Context.omit(sql.transactionService)(context as never)),
    Effect.timeout("2 seconds"),
    Effect.orElseSucceed(() => false)
  )
