import type { SqlError } from "effect/sql"

/**
 * What an error of the database means: it is not able to answer now, or not this user; it does not let this user do
 * that; or it refused a statement, which is an error of the program.
 */
export type DatabaseErrorKind = "unavailable" | "notPermitted" | "failed"

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
