import { Schema } from "effect"
import { SqlError } from "effect/sql"

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

/** Kinds of error that say that a statement was wrong; everything else is about the database's state. */
const ownFaults = new Set(["SqlSyntaxError", "ConstraintError", "UniqueViolation"])

/**
 * Classes of Postgres error codes that say that the server cannot serve now, or not this user: invalid catalog name,
 * invalid transaction state (read only), insufficient resources, not in the right state, operator intervention,
 * system error, configuration file error.
 */
const stateOfServer = /^(3D|25|53|55|57|58|F0)/

/** Names the database in an error of it; leaves other errors as they are. */
export const databaseTrouble = <E>(
  error: E,
  database: string
): Exclude<E, SqlError.SqlError> | DatabaseUnavailable | DatabaseFailed | NotPermitted => {
  if (!SqlError.isSqlError(error)) return error as Exclude<E, SqlError.SqlError>
  const reason = error.reason._tag
  const cause = error.reason.cause
  const code = codeOf(cause)
  if (reason === "AuthorizationError") {
    return new NotPermitted({ database, problem: cause instanceof Error ? cause.message : problemOf(error, cause) })
  }
  const details = { database, reason, problem: problemOf(error, cause) }
  const isOurs = ownFaults.has(reason) || (reason === "UnknownError" && code !== undefined && !stateOfServer.test(code))
  return isOurs ? new DatabaseFailed(details) : new DatabaseUnavailable(details)
}

const codeOf = (cause: unknown): string | undefined =>
  typeof cause === "object" && cause !== null && "code" in cause && typeof cause.code === "string"
    ? cause.code
    : undefined

/** The innermost sentence that says something: "connect ECONNREFUSED", "password authentication failed for user". */
const problemOf = (error: SqlError.SqlError, cause: unknown): string => {
  const own = error.message.replace(/^PgConnection: /, "")
  if (cause instanceof AggregateError) return [...new Set(cause.errors.map(String))].join("; ")
  const deeper = cause instanceof Error ? cause.message : ""
  return deeper === "" || deeper === own ? own : `${own}: ${deeper}`
}
