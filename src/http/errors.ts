import { Effect, Schema } from "effect"
import { SqlError } from "effect/sql"
import { type ReplicaError, replicaErrorOf } from "../index.ts"
import { findDirectoryLost, publicDirectoryLostMessage } from "../services/files/directoryErrors.ts"
import { databaseErrorKind } from "../sql/databaseErrors.ts"

/** The reason where an embedded directory was moved or replaced: its path is not for callers. */
const directoryLost = "DirectoryLost"

/** The database cannot be reached, or is not able to answer now. Whether a command was carried out is not known. */
export class DatabaseUnavailable extends Schema.TaggedError<DatabaseUnavailable>()("DatabaseUnavailable", {
  /** What kind of trouble: `ConnectionError`, `LockTimeoutError`, `DirectoryLost` … */
  reason: Schema.String
}) {
  override get message(): string {
    if (this.reason === directoryLost) return publicDirectoryLostMessage
    return "The database is not available now. Try again; a command only with the same Idempotency-Key, since it may have been carried out."
  }
}

/** The database refused a statement: an error of the program. */
export class DatabaseFailed extends Schema.TaggedError<DatabaseFailed>()("DatabaseFailed", { reason: Schema.String }) {
  override get message(): string {
    return "The database failed. What happened is in the server's log."
  }
}

/** The server's database user may not do that. */
export class NotPermitted extends Schema.TaggedError<NotPermitted>()("NotPermitted", {}) {
  override get message(): string {
    return "The database does not let this server do that: it connects as a role that may not, or that may only read."
  }
}

/** Trouble with the database, as it is told to whoever asked. */
export type DatabaseError = DatabaseUnavailable | DatabaseFailed | NotPermitted | ReplicaError

/** Fails with `DatabaseTrouble` where the database fails. */
export const withDatabaseErrors = <A, E, R>(
  effect: Effect.Effect<A, E | SqlError.SqlError, R>
): Effect.Effect<A, Exclude<E, SqlError.SqlError> | DatabaseError, R> => Effect.catch(effect, toDatabaseError)

/** An error as it is told: trouble with the database without its particulars, which go to the log. */
export const toDatabaseError = <E>(error: E): Effect.Effect<never, Exclude<E, SqlError.SqlError> | DatabaseError> =>
  SqlError.isSqlError(error)
    ? Effect.andThen(Effect.logError("The database failed.", error), databaseErrorOf(error))
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

/** The body of a request is larger than the endpoint takes. Nothing was done. */
export class BodyTooLarge extends Schema.TaggedError<BodyTooLarge>()("BodyTooLarge", {
  /** How many bytes the endpoint takes. */
  limitBytes: Schema.Int
}) {
  override get message(): string {
    return `The body is too large: this endpoint takes at most ${this.limitBytes} bytes.`
  }
}

/** The server does not know who calls, and takes nothing from whom it does not know. Nothing was done. */
export class Unauthorized extends Schema.TaggedError<Unauthorized>()("Unauthorized", {
  problem: Schema.String
}) {
  override get message(): string {
    return `${this.problem} Show a token: Authorization: Bearer mbk_…`
  }
}

/** The server knows who calls, and does not let him do that. Nothing was done. */
export class Forbidden extends Schema.TaggedError<Forbidden>()("Forbidden", {
  problem: Schema.String
}) {
  override get message(): string {
    return this.problem
  }
}

/** The caller asks more often than he may. Nothing was done. */
export class TooManyRequests extends Schema.TaggedError<TooManyRequests>()("TooManyRequests", {
  /** When to ask again, in seconds. */
  retryAfterSeconds: Schema.Int
}) {
  override get message(): string {
    return `There were too many requests: ask again in ${this.retryAfterSeconds} s.`
  }
}

/** A backlog is not put on the network like that. Nothing listens. */
export class ServeRefused extends Schema.TaggedError<ServeRefused>()("ServeRefused", {
  problem: Schema.String
}) {
  override get message(): string {
    return `The backlog is not served: ${this.problem}.`
  }
}
