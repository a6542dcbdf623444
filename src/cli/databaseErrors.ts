import { Schema } from "effect"
import { SqlError } from "effect/sql"
import { type ReplicaError, replicaErrorOf } from "../events/replica.ts"
import { type DirectoryLost, findDirectoryLost } from "../services/files/directoryErrors.ts"
import { databaseErrorKind, databaseErrorText, errorCode, readOnlySqlState } from "../sql/databaseErrors.ts"

/**
 * The database cannot be reached, refuses this user, or cannot serve requests now.
 *
 * What to do: check the address and the server. Retry a command with the same `--command-id`, because it may have been
 * carried out.
 */
export class DatabaseUnavailable extends Schema.TaggedError<DatabaseUnavailable>()("DatabaseUnavailable", {
  /** `host:port`, or the directory. */
  database: Schema.String,
  /** The kind of error: `ConnectionError`, `AuthenticationError` … */
  reason: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `The database ${this.database} is not available: ${this.problem}`
  }
}

/**
 * The database rejected a statement of this program, which is a bug in the program.
 *
 * What to do: report the error with `problem`.
 */
export class DatabaseFailed extends Schema.TaggedError<DatabaseFailed>()("DatabaseFailed", {
  database: Schema.String,
  reason: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `The database ${this.database} failed: ${this.problem}`
  }
}

/**
 * The database user lacks a privilege.
 *
 * What to do: connect as another database role: docs/roles.md.
 */
export class NotPermitted extends Schema.TaggedError<NotPermitted>()("NotPermitted", {
  database: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return (
      `The database ${this.database} does not permit this user to do this: ${this.problem}. In a backlog shared between ` +
      "roles, the auditor can read, the writer can also work on cards and consume events, and only the owner can do " +
      "everything else."
    )
  }
}

/** Adds the database's name to an `SqlError`, and returns every other error unchanged. */
export const toDatabaseError = <E>(
  error: E,
  database: string
):
  | Exclude<E, SqlError.SqlError>
  | DatabaseUnavailable
  | DatabaseFailed
  | DirectoryLost
  | NotPermitted
  | ReplicaError => {
  if (!SqlError.isSqlError(error)) return error as Exclude<E, SqlError.SqlError>
  const directoryLost = findDirectoryLost(error)
  if (directoryLost !== undefined) return directoryLost
  const reason = error.reason._tag
  const cause = error.reason.cause
  const replicaError = replicaErrorOf(error)
  if (replicaError !== undefined) return replicaError
  const kind = databaseErrorKind(error)
  if (kind === "notPermitted") {
    return new NotPermitted({ database, problem: describeMissingPermission(error, cause) })
  }
  const problem = preparedStatementErrors.has(errorCode(cause))
    ? `${describeProblem(error, cause)}. ${poolerHint}`
    : describeProblem(error, cause)
  const details = { database, reason, problem }
  return kind === "failed" ? new DatabaseFailed(details) : new DatabaseUnavailable(details)
}

const describeMissingPermission = (error: SqlError.SqlError, cause: unknown): string => {
  const problem = databaseErrorText(error)
  return errorCode(cause) === readOnlySqlState
    ? `${problem} (default_transaction_read_only is on for the role, the database or the server)`
    : problem
}

/** SQLSTATE codes of Postgres: the prepared statement does not exist, or exists already. */
const preparedStatementErrors: ReadonlySet<unknown> = new Set(["26000", "42P05"])

const poolerHint =
  "A connection pooler may be dropping prepared statements: set BACKLOG_PREPARE=off, or configure the pooler to keep them (docs/scaling.md)."

/** The innermost message with details: "connect ECONNREFUSED", "password authentication failed for user". */
const describeProblem = (error: SqlError.SqlError, cause: unknown): string => {
  const own = error.message.replace(/^PgConnection: /, "")
  const words = databaseErrorText(error)
  return words === error.message || words === own || cause instanceof AggregateError ? words : `${own}: ${words}`
}
