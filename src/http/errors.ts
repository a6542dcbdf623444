import { Effect, Schema } from "effect"
import { SqlError } from "effect/sql"
import { type ReplicaError, replicaErrorOf } from "../index.ts"
import { findDirectoryLost, publicDirectoryLostMessage } from "../services/files/directoryErrors.ts"
import { databaseErrorKind } from "../sql/databaseErrors.ts"

/** The body of a request is larger than the endpoint accepts. Nothing was done. */
export class BodyTooLarge extends Schema.TaggedError<BodyTooLarge>()("BodyTooLarge", {
  /** The limit in bytes. */
  limitBytes: Schema.Int
}) {
  override get message(): string {
    return `The body is too large: this endpoint accepts at most ${this.limitBytes} bytes.`
  }
}

/** The server does not know the caller, and requires a token. Nothing was done. */
export class Unauthorized extends Schema.TaggedError<Unauthorized>()("Unauthorized", {
  problem: Schema.String
}) {
  override get message(): string {
    return `${this.problem} Send a token: Authorization: Bearer mbk_…`
  }
}

/** The server knows the caller, which has no permission for the request. Nothing was done. */
export class Forbidden extends Schema.TaggedError<Forbidden>()("Forbidden", {
  problem: Schema.String
}) {
  override get message(): string {
    return this.problem
  }
}

/** The caller exceeded its rate limit. Nothing was done. */
export class TooManyRequests extends Schema.TaggedError<TooManyRequests>()("TooManyRequests", {
  /** Seconds after which the caller may try again. */
  retryAfterSeconds: Schema.Int
}) {
  override get message(): string {
    return `Too many requests. Try again in ${this.retryAfterSeconds} s.`
  }
}

/** The options would expose the backlog, or they are invalid. The server did not start. */
export class ServeRefused extends Schema.TaggedError<ServeRefused>()("ServeRefused", {
  problem: Schema.String
}) {
  override get message(): string {
    return `The server did not start: ${this.problem}.`
  }
}

/** The reason when an embedded directory was moved or replaced. Callers do not learn its path. */
const directoryLost = "DirectoryLost"

/** The database cannot be reached or cannot respond now. The command may have been carried out. */
export class DatabaseUnavailable extends Schema.TaggedError<DatabaseUnavailable>()("DatabaseUnavailable", {
  /** The kind of error: `ConnectionError`, `LockTimeoutError`, `DirectoryLost` … */
  reason: Schema.String
}) {
  override get message(): string {
    if (this.reason === directoryLost) return publicDirectoryLostMessage
    return "The database is not available. Try again. Retry a command with the same Idempotency-Key, because it may have been carried out."
  }
}

/** The database refused a statement. This is an error in the program. */
export class DatabaseFailed extends Schema.TaggedError<DatabaseFailed>()("DatabaseFailed", { reason: Schema.String }) {
  override get message(): string {
    return "The database failed. The server's log has the details."
  }
}

/** The server's database role lacks a permission. */
export class NotPermitted extends Schema.TaggedError<NotPermitted>()("NotPermitted", {}) {
  override get message(): string {
    return "The server's database role does not have the permission for this. It may be a read-only role."
  }
}

/** A database error as callers see it. */
export type DatabaseError = DatabaseUnavailable | DatabaseFailed | NotPermitted | ReplicaError

/** Turns database errors into those that callers see. */
export const withDatabaseErrors = <A, E, R>(
  effect: Effect.Effect<A, E | SqlError.SqlError, R>
): Effect.Effect<A, Exclude<E, SqlError.SqlError> | DatabaseError, R> => Effect.catch(effect, toDatabaseError)

/** Logs a database error, and fails with the one that callers see, which has no details. Other errors pass unchanged. */
export const toDatabaseError = <E>(error: E): Effect.Effect<never, Exclude<E, SqlError.SqlError> | DatabaseError> =>
  SqlError.isSqlError(error)
    ? Effect.andThen(Effect.annotateLogs(Effect.logError("The database failed."), { error }), databaseErrorOf(error))
    : Effect.fail(error as Exclude<E, SqlError.SqlError>)

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
