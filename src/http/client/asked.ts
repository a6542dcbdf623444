import { Effect, Schedule, Schema } from "effect"
import { Sse } from "effect/encoding"
import { HttpClientError } from "effect/http"
import { SqlError } from "effect/sql"
import { InvalidInput, ReadOnlyReplica, ReplicaBehind, ReplicaConflict } from "../../index.ts"
import { Forbidden, TooManyRequests, Unauthorized } from "../access/problems.ts"
import { BodyTooLarge } from "../BodyTooLarge.ts"
import { DatabaseFailed, type DatabaseTrouble, DatabaseUnavailable, NotPermitted } from "../DatabaseTrouble.ts"
import { toSqlError } from "./toSqlError.ts"

/** What is about the server and the way to it, and not about what was asked. */
type ServerTrouble =
  | DatabaseTrouble
  | Unauthorized
  | Forbidden
  | TooManyRequests
  | HttpClientError.HttpClientError
  | Schema.SchemaError
  | Sse.SseError
  | Sse.Retry

/** What a service's method fails with, of all that asking a server does. */
export type Told<E> =
  | Exclude<E, ServerTrouble | BodyTooLarge>
  | SqlError.SqlError
  | ([Extract<E, BodyTooLarge>] extends [never] ? never : InvalidInput)

/** Asks a server, and tells what is wrong with it as the services do. What can be asked twice is tried again. */
export const asked = <A, E, R>(
  asking: Effect.Effect<A, E, R>,
  canBeRepeated: boolean
): Effect.Effect<A, Told<E>, R> => {
  const once = Effect.mapError(asking, told)
  return canBeRepeated ? Effect.retry(once, { while: isPassing, times: 3, schedule }) : once
}

/** The same where nothing is given, so that nothing that is given can be wrong. */
export const askedNothing = <A, E, R>(
  asking: Effect.Effect<A, E | InvalidInput, R>
): Effect.Effect<A, Exclude<E, InvalidInput>, R> =>
  Effect.catch(asking, (error) =>
    error instanceof InvalidInput ? Effect.die(error) : Effect.fail(error as Exclude<E, InvalidInput>)
  )

/** An error of asking a server, as a service tells it. */
export const told = <E>(error: E): Told<E> => {
  if (isServerTrouble(error)) return toSqlError(error)
  if (error instanceof BodyTooLarge) return new InvalidInput({ problem: error.message }) as Told<E>
  return error as Exclude<E, ServerTrouble | BodyTooLarge>
}

const isServerTrouble = (error: unknown): error is ServerTrouble =>
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

const schedule = Schedule.jittered(Schedule.exponential("100 millis"))

/** Whether it may be otherwise in a moment. */
export const isPassing = (error: unknown): boolean =>
  SqlError.isSqlError(error) && error.reason._tag === "ConnectionError"
