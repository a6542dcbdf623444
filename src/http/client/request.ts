import { Effect, Option, Schedule, Schema, Stream } from "effect"
import { Sse } from "effect/encoding"
import { HttpClientError } from "effect/http"
import { SqlError } from "effect/sql"
import {
  BodyTooLarge,
  DatabaseFailed,
  type DatabaseError,
  DatabaseUnavailable,
  Forbidden,
  NotPermitted,
  TooManyRequests,
  Unauthorized
} from "../errors.ts"
import { InvalidInput, ReadOnlyReplica, ReplicaBehind, ReplicaConflict } from "../../index.ts"

/** Fields that may be omitted but are never `undefined`. */
type OmitUndefined<Fields> = {
  [K in keyof Fields as undefined extends Fields[K] ? never : K]: Fields[K]
} & {
  [K in keyof Fields as undefined extends Fields[K] ? K : never]?: Exclude<Fields[K], undefined>
}

/** Omits fields that are `undefined`, which JSON does not have, also in the objects of `nestedFields`. */
export const omitUndefined = <Fields extends object>(fields: Fields): OmitUndefined<Fields> =>
  Object.fromEntries(
    Object.entries(fields)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, nestedFields[name]?.(value as never) ?? value])
  ) as OmitUndefined<Fields>

type Nested = Readonly<Record<string, (value: never) => unknown>>

const omitUndefinedInEach = (listed: ReadonlyArray<object>) => listed.map((each) => omitUndefined(each))

const nestedFields: Nested = {
  cards: omitUndefinedInEach,
  completions: omitUndefinedInEach,
  claimNext: omitUndefined
}

/** The items of a streamed response. A problem as the last item is the error of the stream. */
export const streamItems = <A, E>(
  answer: Stream.Stream<A, E>
): Stream.Stream<Exclude<A, Error>, ServiceError<E | Extract<A, Error>>> =>
  Stream.mapEffect(Stream.mapError(answer, toServiceError), (item) =>
    item instanceof Error ? Effect.fail(toServiceError(item)) : Effect.succeed(item)
  ) as Stream.Stream<Exclude<A, Error>, ServiceError<E | Extract<A, Error>>>

/** The report of a response that streams progress first. */
export const runToReport = <Progress, Report, E>(
  answer: Stream.Stream<{ readonly progress: Progress } | { readonly report: Report }, E>,
  onProgress: (progress: Progress) => Effect.Effect<void>
): Effect.Effect<Report, E | SqlError.SqlError> =>
  answer.pipe(
    Stream.tap((line) => ("progress" in line ? onProgress(line.progress) : Effect.void)),
    Stream.runLast,
    Effect.flatMap((last) =>
      Option.isSome(last) && "report" in last.value
        ? Effect.succeed(last.value.report)
        : Effect.fail(incompleteAnswer())
    )
  )

/** The error of a response that ended early. */
export const incompleteAnswer = (): SqlError.SqlError =>
  new SqlError.SqlError({
    reason: new SqlError.ConnectionError({
      cause: undefined,
      message: "The server's response ended early.",
      operation: "http"
    })
  })

/**
 * Turns an error of the server into the `SqlError` that the services fail with. The reason is
 *
 * - `ConnectionError`: the server cannot be reached, cannot respond now, or its response ended early;
 * - `AuthenticationError`: the server does not know the caller;
 * - `AuthorizationError`: the caller lacks the permission;
 * - `UnknownError`: the response is invalid.
 */
export const toSqlError = (error: unknown): SqlError.SqlError => {
  const [Reason, message] = sqlReasonOf(error)
  return new SqlError.SqlError({ reason: new Reason({ cause: error, message, operation: "http" }) })
}

type Reason =
  | typeof SqlError.ConnectionError
  | typeof SqlError.AuthenticationError
  | typeof SqlError.AuthorizationError
  | typeof SqlError.UnknownError

const sqlReasonOf = (error: unknown): readonly [Reason, string] => {
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
  if (Sse.Retry.is(error)) return [SqlError.ConnectionError, "The server asks to reconnect."]
  if (!HttpClientError.isHttpClientError(error)) {
    return [SqlError.UnknownError, `The server's response is invalid: ${innermostMessage(error)}`]
  }
  const { reason, response } = error
  if (response === undefined)
    return [SqlError.ConnectionError, `The server cannot be reached: ${innermostMessage(reason)}`]
  switch (response.status) {
    case 401:
      return [SqlError.AuthenticationError, "The server does not know the caller: the token is missing or wrong."]
    case 403:
      return [SqlError.AuthorizationError, "The caller does not have the permission for this."]
    case 408:
    case 429:
    case 502:
    case 503:
    case 504:
      return [SqlError.ConnectionError, `The server cannot respond now: status ${response.status}.`]
    default:
      return response.status < 300
        ? [SqlError.ConnectionError, `The server's response ended early: ${innermostMessage(reason)}`]
        : [SqlError.UnknownError, `The server returned the unexpected status ${response.status}.`]
  }
}

/** The innermost message of an error: "connect ECONNREFUSED". */
const innermostMessage = (error: unknown): string => {
  let message = ""
  for (let each: unknown = error; each instanceof Error; each = each.cause)
    if (each.message !== "") message = each.message
  return message === "" ? String(error) : message
}

/** Errors of the server and of the connection to it, not of the request. */
type ServerError =
  | DatabaseError
  | Unauthorized
  | Forbidden
  | TooManyRequests
  | HttpClientError.HttpClientError
  | Schema.SchemaError
  | Sse.SseError
  | Sse.Retry

/** The errors of a service's method, given the errors of its request. */
export type ServiceError<E> =
  | Exclude<E, ServerError | BodyTooLarge>
  | SqlError.SqlError
  | ([Extract<E, BodyTooLarge>] extends [never] ? never : InvalidInput)

/** Runs a request and turns its errors into those of the services. Retries a repeatable request after a transient error. */
export const request = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  isRepeatable: boolean
): Effect.Effect<A, ServiceError<E>, R> => {
  const once = Effect.mapError(effect, toServiceError)
  return isRepeatable ? Effect.retry(once, { while: isTransient, times: 3, retrySchedule }) : once
}

/** Removes `InvalidInput` from the errors of a request without input. */
export const dieOnInvalidInput = <A, E, R>(
  effect: Effect.Effect<A, E | InvalidInput, R>
): Effect.Effect<A, Exclude<E, InvalidInput>, R> =>
  Effect.catch(effect, (error) =>
    error instanceof InvalidInput ? Effect.die(error) : Effect.fail(error as Exclude<E, InvalidInput>)
  )

/** Turns the error of a request into that of a service. */
export const toServiceError = <E>(error: E): ServiceError<E> => {
  if (isServerError(error)) return toSqlError(error)
  if (error instanceof BodyTooLarge) return new InvalidInput({ problem: error.message }) as ServiceError<E>
  return error as Exclude<E, ServerError | BodyTooLarge>
}

const isServerError = (error: unknown): error is ServerError =>
  HttpClientError.isHttpClientError(error) ||
  error instanceof Sse.SseError ||
  Sse.Retry.is(error) ||
  Schema.isSchemaError(error) ||
  error instanceof Unauthorized ||
  error instanceof Forbidden ||
  error instanceof TooManyRequests ||
  error instanceof ReadOnlyReplica ||
  error instanceof ReplicaBehind ||
  error instanceof ReplicaConflict ||
  error instanceof DatabaseUnavailable ||
  error instanceof DatabaseFailed ||
  error instanceof NotPermitted

const retrySchedule = Schedule.jittered(Schedule.exponential("100 millis"))

/** Whether a retry may succeed. */
export const isTransient = (error: unknown): boolean =>
  SqlError.isSqlError(error) && error.reason._tag === "ConnectionError"
