import { SqlError } from "effect/sql"

/**
 * What an error of the database means: the database cannot serve this user now; it does not permit the operation; or it
 * refused a statement, which is an error of this program.
 */
type DatabaseErrorKind = "unavailable" | "notPermitted" | "failed"

/** Errors of wrong statements. All other errors are about the state of the database. */
const statementErrors = new Set(["SqlSyntaxError", "ConstraintError", "UniqueViolation"])

/**
 * SQLSTATE classes of a server that cannot serve this user now: invalid catalog name, invalid transaction state,
 * insufficient resources, object not in prerequisite state, operator intervention, system error, configuration file error.
 */
const serverStateCodes = /^(3D|25|53|55|57|58|F0)/

/** The SQLSTATE of a write in a read-only transaction. Retrying does not help while `default_transaction_read_only` is on. */
export const readOnlySqlState = "25006"

/** Classifies an error of the database. */
export const databaseErrorKind = ({ reason }: SqlError.SqlError): DatabaseErrorKind => {
  const code = errorCode(reason.cause)
  if (reason._tag === "AuthorizationError" || code === readOnlySqlState) return "notPermitted"
  const isProgramError =
    statementErrors.has(reason._tag) ||
    (reason._tag === "UnknownError" && code !== undefined && !serverStateCodes.test(code))
  return isProgramError ? "failed" : "unavailable"
}

/** The code of an error: the SQLSTATE of a server error, or the code of a connection error, such as `ECONNREFUSED`. */
export const errorCode = (cause: unknown): string | undefined =>
  typeof cause === "object" && cause !== null && "code" in cause && typeof cause.code === "string"
    ? cause.code
    : undefined

/** An error as Postgres sends it. Other fields may contain rows, parameters and statements. */
export interface ServerError {
  readonly code: string
  readonly message?: unknown
}

/** The part of a database error that may be logged: codes and names, without content of rows. */
export interface DatabaseFailure {
  readonly error: "SqlError"
  /** `ConstraintError`, `ConnectionError` … */
  readonly reason?: string
  readonly operation?: string
  readonly message: string
  readonly sqlState?: string
  readonly severity?: string
  readonly schema?: string
  readonly table?: string
  readonly column?: string
  readonly constraint?: string
  /** The function in the source of Postgres that raised the error. */
  readonly routine?: string
}

/** The reason of an error that a server sent, by its SQLSTATE: the same as that of the statements of `@effect/sql-pg`. */
export const classifyServerError = (
  fields: Readonly<Record<string, string | undefined>>,
  operation: string
): SqlError.SqlErrorReason => {
  const { code = "", constraint = "", message = "Unknown PostgreSQL error" } = fields
  const properties = {
    cause: Object.assign(new Error(message), fields),
    message: "the server refused a statement",
    operation
  }
  switch (code) {
    case "23505":
      return new SqlError.UniqueViolation({ ...properties, constraint: constraint.trim() || "unknown" })
    case "40001":
      return new SqlError.SerializationError(properties)
    case "40P01":
      return new SqlError.DeadlockError(properties)
    case "42501":
      return new SqlError.AuthorizationError(properties)
    case "55P03":
      return new SqlError.LockTimeoutError(properties)
    case "57014":
      return new SqlError.StatementTimeoutError(properties)
  }
  switch (code.slice(0, 2)) {
    case "08":
      return new SqlError.ConnectionError(properties)
    case "23":
      return new SqlError.ConstraintError(properties)
    case "28":
      return new SqlError.AuthenticationError(properties)
    case "42":
      return new SqlError.SqlSyntaxError(properties)
  }
  return new SqlError.UnknownError(properties)
}

/** Whether an error is from a Postgres server. Such an error has a SQLSTATE and a field that no other error has. */
export const isServerError = (error: unknown): error is ServerError =>
  typeof error === "object" &&
  error !== null &&
  "code" in error &&
  typeof error.code === "string" &&
  /^[0-9A-Z]{5}$/.test(error.code) &&
  ("severity" in error || "routine" in error || "detail" in error)

/**
 * SQLSTATE classes whose messages consist of names, numbers and fixed words: connections, transactions, roles, databases,
 * locks, limits, resources, the operator, files, and the text of this program's statements. The messages of data
 * exceptions (22) and violated constraints (23) contain values, in a form that depends on the server's language.
 */
const sqlStatesWithoutContent = /^(?:08|0A|25|26|28|3D|3F|40|42|53|54|55|57|58|F0|XX001|XX002)/

/** Whether a function in the database raised the error. Such a function can put a row into any field, with any SQLSTATE. */
const isRaisedByFunction = (error: ServerError): boolean => fieldOf(error, "routine") === "exec_stmt_raise"

/** The message of a server's error if it cannot contain values of a row; otherwise its SQLSTATE and names. */
export const serverErrorText = (error: ServerError): string => {
  const { message } = error
  if (typeof message === "string" && sqlStatesWithoutContent.test(error.code) && !isRaisedByFunction(error))
    return message
  const { column, constraint, sqlState, table } = namesOf(error)
  const named = Object.entries({ table, column, constraint }).flatMap(([kind, name]) =>
    name === undefined ? [] : [`${kind} ${JSON.stringify(name)}`]
  )
  return `Postgres refused a statement (${[`SQLSTATE ${sqlState}`, ...named].join(", ")})`
}

/** The innermost message of an error, without content of rows: "connect ECONNREFUSED 127.0.0.1:5432". */
export const databaseErrorText = ({ message, reason: { cause } }: SqlError.SqlError): string => {
  if (isServerError(cause)) return serverErrorText(cause)
  if (cause instanceof AggregateError) return [...new Set(cause.errors.map(String))].join("; ")
  return cause instanceof Error && cause.message !== "" && !repeatsValues(cause) ? cause.message : message
}

/** Whether the error is from encoding or decoding a value. Its message contains the value. */
const repeatsValues = (cause: Error): boolean => /^Pg(?:Types|Protocol)/.test((cause as { _tag?: string })._tag ?? "")

/** The part of a client's error that may be logged. */
export const describeClientError = (error: SqlError.SqlError): DatabaseFailure => {
  const { reason } = error
  return {
    error: "SqlError",
    reason: reason._tag,
    ...(reason.operation === undefined ? {} : { operation: reason.operation }),
    ...(isServerError(reason.cause) ? namesOf(reason.cause) : {}),
    message: databaseErrorText(error)
  }
}

/** The part of a server's error that may be logged. */
export const describeServerError = (error: ServerError): DatabaseFailure => ({
  error: "SqlError",
  ...namesOf(error),
  message: serverErrorText(error)
})

type Names = Pick<DatabaseFailure, "severity" | "schema" | "table" | "column" | "constraint" | "routine">

const namesOf = (error: ServerError): Names & { readonly sqlState: string } => {
  const names = isRaisedByFunction(error)
    ? (["severity", "routine"] as const)
    : (["severity", "schema", "table", "column", "constraint", "routine"] as const)
  return {
    sqlState: error.code,
    ...Object.fromEntries(
      names.flatMap((name) => {
        const value = fieldOf(error, name)
        return value === undefined ? [] : [[name, value]]
      })
    )
  }
}

const fieldOf = (error: object, name: string): string | undefined => {
  const value = (error as Readonly<Record<string, unknown>>)[name]
  return typeof value === "string" ? value : undefined
}
