import { Effect, Schema } from "effect"
import { SqlError } from "effect/sql"
import { type ReplicaError, replicaErrorOf } from "../index.ts"
import { findDirectoryLost, publicDirectoryLostMessage } from "../services/files/directoryErrors.ts"
import {
  Forbidden,
  isServerFailure,
  type ServerFailure,
  TooManyRequests,
  Unauthorized,
  type Unreachable
} from "../services/serverFailures.ts"
import { databaseErrorKind } from "../sql/databaseErrors.ts"

export { Forbidden, TooManyRequests, Unauthorized }

/**
 * The body of a request is larger than the endpoint accepts. Nothing was done.
 *
 * What to do: send less in one request.
 */
export class BodyTooLarge extends Schema.TaggedError<BodyTooLarge>()("BodyTooLarge", {
  /** The limit in bytes. */
  limitBytes: Schema.Int
}) {
  override get message(): string {
    return `The body is too large: this endpoint accepts at most ${this.limitBytes} bytes.`
  }
}

/**
 * The options would expose the backlog, or they are invalid. The server did not start.
 *
 * What to do: change the option that `problem` names.
 */
export class ServeRefused extends Schema.TaggedError<ServeRefused>()("ServeRefused", {
  problem: Schema.String
}) {
  override get message(): string {
    return `The server did not start: ${this.problem}.`
  }
}

/** The reason when an embedded directory was moved or replaced. Callers do not learn its path. */
const directoryLost = "DirectoryLost"

/**
 * The database cannot be reached or cannot respond now. The command may have been carried out.
 *
 * What to do: try again. Retry a command with the same `commandId`, because it may have been carried out.
 */
export class DatabaseUnavailable extends Schema.TaggedError<DatabaseUnavailable>()("DatabaseUnavailable", {
  /** The kind of error: `ConnectionError`, `LockTimeoutError`, `DirectoryLost` … */
  reason: Schema.String
}) {
  override get message(): string {
    if (this.reason === directoryLost) return publicDirectoryLostMessage
    return "The database is not available. Try again. Retry a command with the same Idempotency-Key, because it may have been carried out."
  }
}

/**
 * The database refused a statement. This is an error in the program.
 *
 * What to do: read the log of the server, and report the error.
 */
export class DatabaseFailed extends Schema.TaggedError<DatabaseFailed>()("DatabaseFailed", { reason: Schema.String }) {
  override get message(): string {
    return "The database failed. The server's log has the details."
  }
}

/**
 * The server's database role lacks a permission.
 *
 * What to do: use a server that connects as another database role: docs/roles.md.
 */
export class NotPermitted extends Schema.TaggedError<NotPermitted>()("NotPermitted", {}) {
  override get message(): string {
    return "The server's database role does not have the permission for this. It may be a read-only role."
  }
}

/** A database error as callers see it. */
export type DatabaseError = DatabaseUnavailable | DatabaseFailed | NotPermitted | ReplicaError

/**
 * Turns database errors of a request into those that callers see, and leaves this server's own refusals. A backlog over
 * `layerHttp` that is unreachable is a database that is unavailable.
 */
export const withDatabaseErrors = <A, E, R>(
  effect: Effect.Effect<A, E | SqlError.SqlError, R>
): Effect.Effect<A, Exclude<E, SqlError.SqlError | Unreachable> | DatabaseError, R> =>
  Effect.catch(
    effect,
    (error) =>
      (isRefusal(error) ? Effect.fail(error) : toDatabaseError(error)) as Effect.Effect<
        never,
        Exclude<E, SqlError.SqlError | Unreachable> | DatabaseError
      >
  )

const isRefusal = (error: unknown): boolean =>
  error instanceof Unauthorized || error instanceof Forbidden || error instanceof TooManyRequests

/**
 * Logs an error of the database, or of the server that `layerHttp` uses, and fails with the one that callers see, which has no
 * details. Other errors pass unchanged.
 */
export const toDatabaseError = <E>(
  error: E
): Effect.Effect<never, Exclude<E, SqlError.SqlError | ServerFailure> | DatabaseError> => {
  if (SqlError.isSqlError(error)) {
    return Effect.andThen(
      Effect.annotateLogs(Effect.logError("The database failed."), { error }),
      databaseErrorOf(error)
    )
  }
  return isServerFailure(error)
    ? Effect.andThen(
        Effect.annotateLogs(Effect.logError("The server of the backlog failed."), { error }),
        new DatabaseUnavailable({ reason: error._tag })
      )
    : Effect.fail(error as Exclude<E, SqlError.SqlError | ServerFailure>)
}

const databaseErrorOf = (error: SqlError.SqlError): Effect.Effect<never, DatabaseError> => {
  const ofReplica = replicaErrorOf(error)
  if (ofReplica !== undefined) return Effect.fail(ofReplica)
  if (findDirectoryLost(error) !== undefined) return new DatabaseUnavailable({ reason: directoryLost })
  const reason = error.reason._tag
  switch (databaseErrorKind(error)) {
    case "notPermitted":
      return new NotPermitted()
    case "failed":
      return new DatabaseFailed({ reason })
    case "unavailable":
      return new DatabaseUnavailable({ reason })
  }
}
