/*
 * Failures of a served backlog that are not the database's. Both services can fail with them, because `layerHttp` provides the
 * services through a server. The layers of databases never do.
 */
import { Schema } from "effect"
import type { SqlError } from "effect/sql"

/**
 * The server does not know the caller, and requires a token. Nothing was done.
 *
 * What to do: send a valid token of `backlog token create`.
 */
export class Unauthorized extends Schema.TaggedError<Unauthorized>()("Unauthorized", {
  problem: Schema.String
}) {
  override get message(): string {
    return `${this.problem} Send a token: Authorization: Bearer mbk_…`
  }
}

/**
 * The server knows the caller, which has no permission for the request. Nothing was done.
 *
 * What to do: use a token with the role that the request needs, or act as its holder.
 */
export class Forbidden extends Schema.TaggedError<Forbidden>()("Forbidden", {
  problem: Schema.String
}) {
  override get message(): string {
    return this.problem
  }
}

/**
 * The caller exceeded its rate limit. Nothing was done.
 *
 * What to do: wait for `retryAfterSeconds`, then repeat the request.
 */
export class TooManyRequests extends Schema.TaggedError<TooManyRequests>()("TooManyRequests", {
  /** Seconds after which the caller may try again. */
  retryAfterSeconds: Schema.Int
}) {
  override get message(): string {
    return `Too many requests. Try again in ${this.retryAfterSeconds} s.`
  }
}

/**
 * No response of a backlog arrived: the connection failed or ended early, or something else responded, such as a proxy. The
 * command may have been carried out. Send it again with the same `commandId` to get its outcome.
 *
 * What to do: repeat the command with the same `commandId` if `isTransient`. Otherwise check the URL.
 */
export class Unreachable extends Schema.TaggedError<Unreachable>()("Unreachable", {
  problem: Schema.String,
  /** Whether a retry may succeed. False when the URL is that of another server, for example. */
  isTransient: Schema.Boolean,
  /** The status of the HTTP response. Absent if none arrived. */
  status: Schema.optionalKey(Schema.Int)
}) {
  override get message(): string {
    return this.problem
  }
}

/** A failure of a served backlog that is not the database's. */
export const ServerFailure = Schema.Union([Unauthorized, Forbidden, TooManyRequests, Unreachable])

/** A failure of a served backlog that is not the database's. */
export type ServerFailure = typeof ServerFailure.Type

/** Whether an error is a `ServerFailure`. */
export const isServerFailure = Schema.is(ServerFailure)

/** The database of a backlog, or the server in front of it, failed or refused the caller. */
export type BacklogFailure = SqlError.SqlError | ServerFailure

/** Whether a retry of a request may succeed although nothing else changes. */
export const isTransientServerFailure = (error: unknown): error is TooManyRequests | Unreachable =>
  error instanceof TooManyRequests || (error instanceof Unreachable && error.isTransient)
