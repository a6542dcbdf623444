import { HttpClientError } from "effect/http"
import { SqlError } from "effect/sql"
import { Forbidden, TooManyRequests, Unauthorized } from "../access/problems.ts"
import { ReadOnlyReplica, ReplicaBehind, ReplicaConflict } from "../../index.ts"
import { DatabaseFailed, DatabaseUnavailable, NotPermitted } from "../DatabaseTrouble.ts"

/**
 * What is wrong with a server, as the services say what is wrong with a database: `ConnectionError` when it cannot be
 * reached, cannot answer now, or broke off; `AuthenticationError` and `AuthorizationError` when it does not know the
 * caller or does not let him do that; `UnknownError` for an answer that is none.
 */
export const toSqlError = (error: unknown): SqlError.SqlError => {
  const [Reason, message] = kindOf(error)
  return new SqlError.SqlError({ reason: new Reason({ cause: error, message, operation: "http" }) })
}

type Reason =
  | typeof SqlError.ConnectionError
  | typeof SqlError.AuthenticationError
  | typeof SqlError.AuthorizationError
  | typeof SqlError.UnknownError

const kindOf = (error: unknown): readonly [Reason, string] => {
  if (error instanceof DatabaseUnavailable) return [SqlError.ConnectionError, error.message]
  if (error instanceof ReadOnlyReplica) return [SqlError.UnknownError, error.message]
  if (error instanceof ReplicaBehind || error instanceof ReplicaConflict) {
    return [SqlError.ConnectionError, error.message]
  }
  if (error instanceof NotPermitted) return [SqlError.AuthorizationError, error.message]
  if (error instanceof Unauthorized) return [SqlError.AuthenticationError, error.message]
  if (error instanceof Forbidden) return [SqlError.AuthorizationError, error.message]
  if (error instanceof TooManyRequests) return [SqlError.ConnectionError, error.message]
  if (error instanceof DatabaseFailed) return [SqlError.UnknownError, error.message]
  if (!HttpClientError.isHttpClientError(error)) {
    return [SqlError.UnknownError, `The server's answer cannot be understood: ${sentence(error)}`]
  }
  const { reason, response } = error
  if (response === undefined) return [SqlError.ConnectionError, `The server cannot be reached: ${sentence(reason)}`]
  switch (response.status) {
    case 401:
      return [SqlError.AuthenticationError, "The server does not know who calls: the token is missing or wrong."]
    case 403:
      return [SqlError.AuthorizationError, "The server does not let this caller do that."]
    case 408:
    case 429:
    case 502:
    case 503:
    case 504:
      return [SqlError.ConnectionError, `The server cannot answer now: it says ${response.status}.`]
    default:
      return response.status < 300
        ? [SqlError.ConnectionError, `The server's answer broke off: ${sentence(reason)}`]
        : [SqlError.UnknownError, `The server answered ${response.status}, which was not expected.`]
  }
}

/** The innermost sentence that says something: "connect ECONNREFUSED". */
const sentence = (error: unknown): string => {
  let words = ""
  for (let each: unknown = error; each instanceof Error; each = each.cause)
    if (each.message !== "") words = each.message
  return words === "" ? String(error) : words
}
