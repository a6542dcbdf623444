import type { SqlError } from "effect/sql"

/**
 * What an error of the database means: it is not able to answer now, or not this user; it does not let this user do
 * that; or it refused a statement, which is an error of the program.
 */
type DatabaseErrorKind = "unavailable" | "notPermitted" | "failed"

/** Kinds of error that say that a statement was wrong; everything else is about the database's state. */
const ownFaults = new Set(["SqlSyntaxError", "ConstraintError", "UniqueViolation"])

/**
 * Classes of Postgres error codes that say that the server cannot serve now, or not this user: invalid catalog name,
 * invalid transaction state, insufficient resources, not in the right state, operator intervention,
 * system error, configuration file error.
 */
const stateOfServer = /^(3D|25|53|55|57|58|F0)/

/** Postgres's code for a statement that writes while `default_transaction_read_only` is on: trying again does not help. */
export const readOnlySqlState = "25006"

/** Tells what an error of the database means. */
export const databaseErrorKind = ({ reason }: SqlError.SqlError): DatabaseErrorKind => {
  const code = codeOf(reason.cause)
  if (reason._tag === "AuthorizationError" || code === readOnlySqlState) return "notPermitted"
  const isOurs =
    ownFaults.has(reason._tag) || (reason._tag === "UnknownError" && code !== undefined && !stateOfServer.test(code))
  return isOurs ? "failed" : "unavailable"
}

const codeOf = (cause: unknown): string | undefined =>
  typeof cause === "object" && cause !== null && "code" in cause && typeof cause.code === "string"
    ? cause.code
    : undefined

/** An error as Postgres sends it. Its other fields repeat rows, parameters and statements. */
export interface ServerError {
  readonly code: string
  readonly message?: unknown
}

/** What may be logged of a failure of the database: codes and names, no content of rows. */
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
  /** Where in the source of Postgres the error was raised. */
  readonly routine?: string
}

/** Whether an error came from a Postgres server: by its SQLSTATE and a field that no other error has. */
export const isServerError = (error: unknown): error is ServerError =>
  typeof error === "object" &&
  error !== null &&
  "code" in error &&
  typeof error.code === "string" &&
  /^[0-9A-Z]{5}$/.test(error.code) &&
  ("severity" in error || "routine" in error || "detail" in error)

/**
 * Classes of SQLSTATE whose messages consist of names, numbers and fixed words: connections, transactions, roles,
 * databases, locks, limits, resources, the operator, files, and the text of statements, which is this program's own. Data
 * exceptions (22) and violated constraints (23) repeat values, in every language in another way.
 */
const saysNoContent = /^(?:08|0A|25|26|28|3D|3F|40|42|53|54|55|57|58|F0|XX001|XX002)/

/** Whether a function of the database raised the error: it can put a row into any field, and choose any SQLSTATE. */
const isRaised = (error: ServerError): boolean => fieldOf(error, "routine") === "exec_stmt_raise"

/** The message of a server's error, where it repeats nothing of a row; else its SQLSTATE and the names in it. */
export const serverErrorText = (error: ServerError): string => {
  const { message } = error
  if (typeof message === "string" && saysNoContent.test(error.code) && !isRaised(error)) return message
  const { column, constraint, sqlState, table } = namesIn(error)
  const named = Object.entries({ table, column, constraint }).flatMap(([kind, name]) =>
    name === undefined ? [] : [`${kind} ${JSON.stringify(name)}`]
  )
  return `Postgres refused a statement (${[`SQLSTATE ${sqlState}`, ...named].join(", ")})`
}

/** The innermost sentence about a failure that repeats nothing of a row: "connect ECONNREFUSED 127.0.0.1:5432". */
export const databaseErrorText = ({ message, reason: { cause } }: SqlError.SqlError): string => {
  if (isServerError(cause)) return serverErrorText(cause)
  if (cause instanceof AggregateError) return [...new Set(cause.errors.map(String))].join("; ")
  return cause instanceof Error && cause.message !== "" && !repeatsValues(cause) ? cause.message : message
}

/** Errors of encoding and decoding repeat the value. */
const repeatsValues = (cause: Error): boolean => /^Pg(?:Types|Protocol)/.test((cause as { _tag?: string })._tag ?? "")

/** What may be logged of an error of the client. */
export const describeClientError = (error: SqlError.SqlError): DatabaseFailure => {
  const { reason } = error
  return {
    error: "SqlError",
    reason: reason._tag,
    ...(reason.operation === undefined ? {} : { operation: reason.operation }),
    ...(isServerError(reason.cause) ? namesIn(reason.cause) : {}),
    message: databaseErrorText(error)
  }
}

/** What may be logged of an error as the server sent it. */
export const describeServerError = (error: ServerError): DatabaseFailure => ({
  error: "SqlError",
  ...namesIn(error),
  message: serverErrorText(error)
})

type Names = Pick<DatabaseFailure, "severity" | "schema" | "table" | "column" | "constraint" | "routine">

const namesIn = (error: ServerError): Names & { readonly sqlState: string } => {
  const names = isRaised(error)
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
