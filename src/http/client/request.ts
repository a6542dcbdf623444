import { Effect, Option, Predicate, Schedule, Schema, Stream } from "effect"
import { Sse } from "effect/encoding"
import { HttpClientError, type HttpClientResponse } from "effect/http"
import { SqlError } from "effect/sql"
import { truncateMessage } from "../../domain/displayText.ts"
import { BodyTooLarge, DatabaseFailed, type DatabaseError, DatabaseUnavailable, NotPermitted } from "../errors.ts"
import { problemMediaType } from "../problems.ts"
import {
  type BacklogFailure,
  Forbidden,
  InvalidInput,
  ReadOnlyReplica,
  ReplicaBehind,
  ReplicaConflict,
  type ServerFailure,
  Unauthorized,
  Unreachable
} from "../../index.ts"
import { isServerFailure, isTransientServerFailure } from "../../services/serverFailures.ts"

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
): Effect.Effect<Report, E | Unreachable> =>
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
export const incompleteAnswer = (): Unreachable => unreachable("The server's response ended early.", true)

const unreachable = (problem: string, isTransient: boolean, status?: number): Unreachable =>
  new Unreachable({ problem, isTransient, ...(status === undefined ? {} : { status }) })

/**
 * Turns an error of the server into the one that the services fail with: a `ServerFailure`, or a `SqlError` when the server
 * reports that its database failed. `detail` is the detail of a problem that no endpoint declares.
 */
export const toBacklogFailure = (error: unknown, detail?: string): BacklogFailure => {
  if (isServerFailure(error)) return error
  const Reason = sqlReasonOf(error)
  if (Reason !== undefined) {
    const { message } = error as Error
    return new SqlError.SqlError({ reason: new Reason({ cause: error, message, operation: "http" }) })
  }
  if (Sse.Retry.is(error)) return unreachable("The server asks to reconnect.", true)
  return HttpClientError.isHttpClientError(error)
    ? ofHttpError(error, detail)
    : unreachable(`The server's response is invalid: ${innermostMessage(error)}`, false)
}

const sqlReasonOf = (error: unknown) => {
  if (error instanceof DatabaseUnavailable) return SqlError.ConnectionError
  if (error instanceof ReplicaBehind || error instanceof ReplicaConflict) return SqlError.ConnectionError
  if (error instanceof ReadOnlyReplica || error instanceof DatabaseFailed) return SqlError.UnknownError
  return error instanceof NotPermitted ? SqlError.AuthorizationError : undefined
}

const ofHttpError = (
  { reason, response }: HttpClientError.HttpClientError,
  detail: string | undefined
): ServerFailure => {
  if (response === undefined) return unreachable(`The server cannot be reached: ${innermostMessage(reason)}`, true)
  const { status } = response
  switch (status) {
    case 401:
      return new Unauthorized({ problem: "The server does not know the caller: the token is missing or wrong." })
    case 403:
      return new Forbidden({ problem: detail ?? "The caller does not have the permission for this." })
    case 408:
    case 429:
    case 502:
    case 503:
    case 504:
      return unreachable(`The server cannot respond now: ${detail ?? `status ${status}.`}`, true, status)
    case 301:
    case 302:
    case 303:
    case 307:
    case 308:
      return unreachable(`The server redirects to ${redirectTarget(response)}. Use that URL.`, false, status)
    default:
      return status < 300
        ? unreachable(`The server's response ended early: ${innermostMessage(reason)}`, true, status)
        : unreachable(
            `The server returned the unexpected status ${status}${detail === undefined ? "." : `: ${detail}`}`,
            false,
            status
          )
  }
}

/** The URL of a redirect, without what may be secret in it. */
const redirectTarget = ({ headers }: HttpClientResponse.HttpClientResponse): string => {
  const url = URL.parse(headers["location"] ?? "")
  return url === null ? "another path" : truncateMessage(`${url.origin}${url.pathname}`)
}

/** The innermost message of an error: "connect ECONNREFUSED". Several addresses of one host have a message each. */
const innermostMessage = (error: unknown): string => {
  let message = ""
  for (let each: unknown = error; each instanceof Error; each = each.cause) {
    if (each instanceof AggregateError && each.errors.length > 0) {
      message = [...new Set(each.errors.map(innermostMessage))].join("; ")
    } else if (each.message.trim() !== "") message = each.message.trim()
  }
  return message === "" ? String(error) : message
}

/**
 * The detail of a problem that no endpoint declares: the server refused the request before an endpoint handled it, such as
 * `HostNotAllowed`. `undefined` for every other error.
 */
const undeclaredDetail = (error: unknown): Effect.Effect<string | undefined> => {
  const response = HttpClientError.isHttpClientError(error) ? error.response : undefined
  if (response?.headers["content-type"]?.startsWith(problemMediaType) !== true) return Effect.undefined
  return response.json.pipe(
    Effect.map((problem) =>
      Predicate.hasProperty(problem, "detail") && Predicate.isString(problem.detail)
        ? truncateMessage(problem.detail)
        : undefined
    ),
    Effect.orElseSucceed(() => undefined)
  )
}

/** Errors of the server and of the connection to it, not of the request. */
type ServerError =
  | DatabaseError
  | ServerFailure
  | HttpClientError.HttpClientError
  | Schema.SchemaError
  | Sse.SseError
  | Sse.Retry

/** The errors of a service's method, given the errors of its request. */
export type ServiceError<E> =
  | Exclude<E, ServerError | BodyTooLarge>
  | BacklogFailure
  | ([Extract<E, BodyTooLarge>] extends [never] ? never : InvalidInput)

/** Runs a request and turns its errors into those of the services. Retries a repeatable request after a transient error. */
export const request = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  isRepeatable: boolean
): Effect.Effect<A, ServiceError<E>, R> => {
  const once = Effect.catch(effect, (error) =>
    Effect.flatMap(undeclaredDetail(error), (detail) => Effect.fail(toServiceError(error, detail)))
  )
  return isRepeatable ? Effect.retry(once, { while: isTransient, times: 3, retrySchedule }) : once
}

/** Removes `InvalidInput` from the errors of a request without input. */
export const dieOnInvalidInput = <A, E, R>(
  effect: Effect.Effect<A, E | InvalidInput, R>
): Effect.Effect<A, Exclude<E, InvalidInput>, R> =>
  Effect.catch(effect, (error) =>
    error instanceof InvalidInput ? Effect.die(error) : Effect.fail(error as Exclude<E, InvalidInput>)
  )

/** Turns the error of a request into that of a service. `detail` is that of a problem that no endpoint declares. */
export const toServiceError = <E>(error: E, detail?: string): ServiceError<E> => {
  if (isServerError(error)) return toBacklogFailure(error, detail)
  if (error instanceof BodyTooLarge) return new InvalidInput({ problem: error.message }) as ServiceError<E>
  return error as Exclude<E, ServerError | BodyTooLarge>
}

const isServerError = (error: unknown): error is ServerError =>
  HttpClientError.isHttpClientError(error) ||
  error instanceof Sse.SseError ||
  Sse.Retry.is(error) ||
  Schema.isSchemaError(error) ||
  isServerFailure(error) ||
  sqlReasonOf(error) !== undefined

const retrySchedule = Schedule.jittered(Schedule.exponential("100 millis"))

/** Whether a retry may succeed. */
export const isTransient = (error: unknown): boolean =>
  SqlError.isSqlError(error) ? error.reason._tag === "ConnectionError" : isTransientServerFailure(error)
