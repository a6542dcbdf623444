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

/** Fields that may be left out, and are never `undefined`. */
type OmitUndefined<Fields> = {
  [K in keyof Fields as undefined extends Fields[K] ? never : K]: Fields[K]
} & {
  [K in keyof Fields as undefined extends Fields[K] ? K : never]?: Exclude<Fields[K], undefined>
}

/** JSON has no `undefined`: a field with it is left out, also of the objects in the fields that are named here. */
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

/** The items of an answer that ends in a problem when something went wrong: that is the stream's error. */
export const streamItems = <A, E>(
  answer: Stream.Stream<A, E>
): Stream.Stream<Exclude<A, Error>, ServiceError<E | Extract<A, Error>>> =>
  Stream.mapEffect(Stream.mapError(answer, toServiceError), (item) =>
    item instanceof Error ? Effect.fail(toServiceError(item)) : Effect.succeed(item)
  ) as Stream.Stream<Exclude<A, Error>, ServiceError<E | Extract<A, Error>>>

/** The report of an answer that tells its progress before. */
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

/** An answer that ended before it was whole. */
export const incompleteAnswer = (): SqlError.SqlError =>
  new SqlError.SqlError({
    reason: new SqlError.ConnectionError({
      cause: undefined,
      message: "The server's answer broke off.",
      operation: "http"
    })
  })

/**
 * What is wrong with a server, as the services say what is wrong with a database: `ConnectionError` when it cannot be
 * reached, cannot answer now, or broke off; `AuthenticationError` and `AuthorizationError` when it does not know the
 * caller or does not let him do that; `UnknownError` for an answer that is none.
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
  if (!HttpClientError.isHttpClientError(error)) {
    return [SqlError.UnknownError, `The server's answer cannot be understood: ${innermostMessage(error)}`]
  }
  const { reason, response } = error
  if (response === undefined)
    return [SqlError.ConnectionError, `The server cannot be reached: ${innermostMessage(reason)}`]
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
        ? [SqlError.ConnectionError, `The server's answer broke off: ${innermostMessage(reason)}`]
        : [SqlError.UnknownError, `The server answered ${response.status}, which was not expected.`]
  }
}

/** The innermost sentence that says something: "connect ECONNREFUSED". */
const innermostMessage = (error: unknown): string => {
  let words = ""
  for (let each: unknown = error; each instanceof Error; each = each.cause)
    if (each.message !== "") words = each.message
  return words === "" ? String(error) : words
}

/** What is about the server and the way to it, and not about what was asked. */
type ServerError =
  | DatabaseError
  | Unauthorized
  | Forbidden
  | TooManyRequests
  | HttpClientError.HttpClientError
  | Schema.SchemaError
  | Sse.SseError
  | Sse.Retry

/** What a service's method fails with, of all that asking a server does. */
export type ServiceError<E> =
  | Exclude<E, ServerError | BodyTooLarge>
  | SqlError.SqlError
  | ([Extract<E, BodyTooLarge>] extends [never] ? never : InvalidInput)

/** Asks a server, and tells what is wrong with it as the services do. What can be asked twice is tried again. */
export const request = <A, E, R>(
  asking: Effect.Effect<A, E, R>,
  canBeRepeated: boolean
): Effect.Effect<A, ServiceError<E>, R> => {
  const once = Effect.mapError(asking, toServiceError)
  return canBeRepeated ? Effect.retry(once, { while: isTransient, times: 3, retrySchedule }) : once
}

/** The same where nothing is given, so that nothing that is given can be wrong. */
export const dieOnInvalidInput = <A, E, R>(
  asking: Effect.Effect<A, E | InvalidInput, R>
): Effect.Effect<A, Exclude<E, InvalidInput>, R> =>
  Effect.catch(asking, (error) =>
    error instanceof InvalidInput ? Effect.die(error) : Effect.fail(error as Exclude<E, InvalidInput>)
  )

/** An error of asking a server, as a service tells it. */
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

/** Whether it may be otherwise in a moment. */
export const isTransient = (error: unknown): boolean =>
  SqlError.isSqlError(error) && error.reason._tag === "ConnectionError"
