import { Context, type DateTime, Duration, Effect, Schema } from "effect"
import { type SqlClient, SqlError } from "effect/sql"
import type { EventLog, Head } from "./EventLog.ts"

/** The server is a hot standby, which takes no writes. Nothing was written. */
export class ReadOnlyReplica extends Schema.TaggedError<ReadOnlyReplica>()("ReadOnlyReplica", {}) {
  override get message(): string {
    return "The server is a read-only replica and takes no commands. Connect to its primary server."
  }
}

/** A hot standby has not replayed what was asked for. */
export class ReplicaBehind extends Schema.TaggedError<ReplicaBehind>()("ReplicaBehind", {
  /** What was asked for: `position 900`. */
  asked: Schema.String,
  /** Where the replica's log ends. */
  position: Schema.Int
}) {
  override get message(): string {
    return (
      `This server is a read-only replica that lags behind its primary server: it has the log up to position ` +
      `${this.position} and does not have ${this.asked} yet. Try again later, or connect to the primary server.`
    )
  }
}

/** A hot standby cancelled a read that was in the way of changes which it has to replay. */
export class ReplicaConflict extends Schema.TaggedError<ReplicaConflict>()("ReplicaConflict", {}) {
  override get message(): string {
    return (
      "The server is a read-only replica and cancelled this read, because it was in the way of changes from the primary " +
      "server. Try again. If it happens often, set hot_standby_feedback = on or raise max_standby_streaming_delay on the " +
      "replica."
    )
  }
}

/** What keeps a hot standby from an answer. */
export type ReplicaError = ReadOnlyReplica | ReplicaBehind | ReplicaConflict

/** What keeps a hot standby from an answer, where that is why a statement failed. */
export const replicaErrorOf = ({ reason: { cause } }: SqlError.SqlError): ReplicaError | undefined =>
  cause instanceof ReadOnlyReplica || cause instanceof ReplicaBehind || cause instanceof ReplicaConflict
    ? cause
    : undefined

/** How long reads wait for a replica to replay what they name. Defaults to 5 seconds. */
export const ReplicaWait: Context.Reference<Duration.Duration> = Context.Reference<Duration.Duration>(
  "mosaic-backlog/events/ReplicaWait",
  { defaultValue: () => Duration.seconds(5) }
)

const pollInterval = "50 millis"

const failure = (trouble: ReplicaError): SqlError.SqlError =>
  new SqlError.SqlError({
    reason: new SqlError.UnknownError({ cause: trouble, message: trouble.message, operation: "replica" })
  })

/**
 * The end of the log, for a read that names a position. On a hot standby that has not replayed so far it waits for
 * `ReplicaWait`, and then fails with `ReplicaBehind`. On any other server it returns at once.
 */
export const awaitPosition = (log: EventLog["Service"], position: number): Effect.Effect<Head, SqlError.SqlError> =>
  Effect.gen(function* () {
    const head = yield* log.head("read")
    if (head.position >= position || !(yield* log.isReplica)) return head
    return yield* waited(
      Effect.map(log.head("read"), (now) => (now.position >= position ? now : undefined)),
      log,
      `position ${position}`
    )
  })

/** Waits in the same way for all events that were recorded by a time. */
export const awaitRecordedUntil = (log: EventLog["Service"], time: DateTime.Utc, name: string) =>
  Effect.gen(function* () {
    const done = Effect.map(log.hasReplayed(time), (is) => (is ? true : undefined))
    return (yield* done) ?? (yield* waited(done, log, name))
  })

const waited = Effect.fnUntraced(function* <A>(
  poll: Effect.Effect<A | undefined, SqlError.SqlError>,
  log: EventLog["Service"],
  asked: string
) {
  const end = performance.now() + Duration.toMillis(yield* ReplicaWait)
  for (;;) {
    const found = yield* poll
    if (found !== undefined) return found
    if (performance.now() >= end) {
      return yield* failure(new ReplicaBehind({ asked, position: (yield* log.head("read")).position }))
    }
    yield* Effect.sleep(pollInterval)
  }
})

/** SQLSTATE codes of a write on a hot standby, and of a read that it cancelled. */
const readOnlyCode = "25006"
const notInRecoveryCodes = new Set(["0A000", "55000"])
const conflictCode = "40001"

/**
 * Names the failures that only a hot standby has: `ReadOnlyReplica` and `ReplicaConflict` are then the cause of the
 * `SqlError`. A read-only role of a primary server keeps its error.
 */
export const withReplicaErrors =
  (sql: SqlClient.SqlClient) =>
  <A, E, R>(effect: Effect.Effect<A, E | SqlError.SqlError, R>): Effect.Effect<A, E | SqlError.SqlError, R> =>
    Effect.catchIf(
      effect,
      (error): error is (E | SqlError.SqlError) & SqlError.SqlError =>
        SqlError.isSqlError(error) && suspectedTrouble(error) !== undefined,
      (error) =>
        Effect.flatMap(isReplica(sql), (is): Effect.Effect<never, E | SqlError.SqlError> => {
          const trouble = suspectedTrouble(error)
          return Effect.fail(is && trouble !== undefined ? failure(trouble) : error)
        })
    )

const suspectedTrouble = ({ reason: { cause } }: SqlError.SqlError): ReplicaError | undefined => {
  const code = typeof cause === "object" && cause !== null && "code" in cause ? String(cause.code) : ""
  if (code === readOnlyCode || notInRecoveryCodes.has(code)) return new ReadOnlyReplica()
  return code === conflictCode ? new ReplicaConflict() : undefined
}

/** Outside of the transaction that failed, in which no statement is possible. */
const isReplica = (sql: SqlClient.SqlClient): Effect.Effect<boolean> =>
  sql<{ readonly isReplica: boolean }>`SELECT pg_is_in_recovery() AS "isReplica"`.pipe(
    Effect.map(([row]) => row?.isReplica === true),
    Effect.updateContext((context: Context.Context<never>) => Context.omit(sql.transactionService)(context as never)),
    Effect.timeout("2 seconds"),
    Effect.orElseSucceed(() => false)
  )
