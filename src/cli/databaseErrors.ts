import { Schema } from "effect"
import { SqlError } from "effect/sql"
import { type ReplicaError, replicaErrorOf } from "../events/replica.ts"
import { type DirectoryLost, findDirectoryLost } from "../services/files/directoryErrors.ts"
import { databaseErrorText, readOnlySqlState, databaseErrorKind } from "../sql/databaseErrors.ts"

/** The database cannot be reached, refuses this user, or is not able to answer now. */
export class DatabaseUnavailable extends Schema.TaggedError<DatabaseUnavailable>()("DatabaseUnavailable", {
  /** `host:port`, or the directory. */
  database: Schema.String,
  /** What kind of trouble: `ConnectionError`, `AuthenticationError` … */
  reason: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `The database ${this.database} is not available: ${this.problem}`
  }
}

/** The database refused a statement of this program: an error of the program. */
export class DatabaseFailed extends Schema.TaggedError<DatabaseFailed>()("DatabaseFailed", {
  database: Schema.String,
  reason: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `The database ${this.database} failed: ${this.problem}`
  }
}

/** The database does not let this user do that. */
export class NotPermitted extends Schema.TaggedError<NotPermitted>()("NotPermitted", {
  database: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return (
      `The database ${this.database} does not let its user do this: ${this.problem}. Where a backlog is shared between ` +
      "roles, the auditor may read, the writer may also work on cards and consume events, and everything else is for " +
      "the owner."
    )
  }
}

/** Names the database in an error of it; leaves other errors as they are. */
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
  const lost = findDirectoryLost(error)
  if (lost !== undefined) return lost
  const reason = error.reason._tag
  const cause = error.reason.cause
  const ofReplica = replicaErrorOf(error)
  if (ofReplica !== undefined) return ofReplica
  const trouble = databaseErrorKind(error)
  if (trouble === "notPermitted") {
    return new NotPermitted({ database, problem: describeMissingPermission(error, cause) })
  }
  const problem = preparedStatementErrors.has(codeOf(cause))
    ? `${describeProblem(error, cause)}. ${poolerHint}`
    : describeProblem(error, cause)
  const details = { database, reason, problem }
  return trouble === "failed" ? new DatabaseFailed(details) : new DatabaseUnavailable(details)
}

const describeMissingPermission = (error: SqlError.SqlError, cause: unknown): string => {
  const problem = databaseErrorText(error)
  return codeOf(cause) === readOnlySqlState
    ? `${problem} (default_transaction_read_only is on for the role, the database or the server)`
    : problem
}

/** Postgres's codes for a prepared statement that is not there, or is there already. */
const preparedStatementErrors: ReadonlySet<unknown> = new Set(["26000", "42P05"])

const poolerHint =
  "A pooler in between seems to lose prepared statements: set BACKLOG_PREPARE=off, or have it keep them (docs/scaling.md)."

const codeOf = (cause: unknown): unknown =>
  typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined

/** The innermost sentence that says something: "connect ECONNREFUSED", "password authentication failed for user". */
const describeProblem = (error: SqlError.SqlError, cause: unknown): string => {
  const own = error.message.replace(/^PgConnection: /, "")
  const words = databaseErrorText(error)
  return words === error.message || words === own || cause instanceof AggregateError ? words : `${own}: ${words}`
}
