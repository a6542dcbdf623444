import { Schema } from "effect"
import { SqlError } from "effect/sql"
import { type ReplicaError, replicaErrorOf } from "../events/replica.ts"
import * as Http from "../http/errors.ts"
import { DatabaseFailed } from "./databaseErrors.ts"
import type { ServedTarget } from "./databaseTarget.ts"
import type * as ServerFailures from "../services/serverFailures.ts"
import { type BacklogFailure, isServerFailure, type ServerFailure } from "../services/serverFailures.ts"

/** The fields of an error of a server. */
const fields = {
  /** The URL of the server. */
  server: Schema.String,
  problem: Schema.String,
  /** The remedy. Empty if the problem already names it. */
  toDo: Schema.String
}

const messageOf = ({ problem, toDo }: { readonly problem: string; readonly toDo: string }): string =>
  toDo === "" ? problem : `${problem} ${toDo}`

/**
 * The server cannot be reached, or cannot respond now.
 *
 * What to do: check the server and the network, and repeat the command. Retry a command with the same `--command-id`.
 */
export class Unreachable extends Schema.TaggedError<Unreachable>()("Unreachable", fields) {
  override get message(): string {
    return messageOf(this)
  }
}

/**
 * The server requires a token, or does not accept the one that it got.
 *
 * What to do: put a valid token into `BACKLOG_TOKEN`.
 */
export class Unauthorized extends Schema.TaggedError<Unauthorized>()("Unauthorized", fields) {
  override get message(): string {
    return messageOf(this)
  }
}

/**
 * The server does not let the caller do this.
 *
 * What to do: use a token with the role that the command needs, or omit `--actor`.
 */
export class Forbidden extends Schema.TaggedError<Forbidden>()("Forbidden", fields) {
  override get message(): string {
    return messageOf(this)
  }
}

/**
 * The answer is not that of a backlog's server.
 *
 * What to do: check that the URL is that of `backlog serve`, with the path under which a proxy serves it.
 */
export class UnexpectedAnswer extends Schema.TaggedError<UnexpectedAnswer>()("UnexpectedAnswer", fields) {
  override get message(): string {
    return messageOf(this)
  }
}

type ServedError = Unreachable | Unauthorized | Forbidden | UnexpectedAnswer | DatabaseFailed | ReplicaError

/** Turns a failure of `layerHttp` into an error that says what to do. Returns every other error unchanged. */
export const toServedError = <E>(error: E, target: ServedTarget): Exclude<E, BacklogFailure> | ServedError => {
  if (isServerFailure(error)) return ofServerFailure(error, target)
  return SqlError.isSqlError(error) ? ofDatabaseError(error, target.name) : (error as Exclude<E, BacklogFailure>)
}

const ofServerFailure = (failure: ServerFailure, target: ServedTarget): ServedError => {
  const server = target.name
  switch (failure._tag) {
    case "Unauthorized":
      return unauthorized(target, failure)
    case "Forbidden":
      return forbidden(server, failure)
    case "TooManyRequests":
      return new Unreachable({ server, problem: failure.message, toDo: "" })
    case "Unreachable": {
      const problem = endSentence(nameServer(failure.problem, server))
      if (failure.isTransient) return new Unreachable({ server, problem, toDo: connectionHint(failure) })
      return new UnexpectedAnswer({
        server,
        problem,
        toDo:
          (failure.status ?? 0) >= 500
            ? "The log of the server, or of a proxy before it, has the cause."
            : "Check that this is the URL of `backlog serve`, with the path under which a proxy serves it, and that the server's program is not older than this one."
      })
    }
  }
}

/** The error of a server whose database failed. */
const ofDatabaseError = (error: SqlError.SqlError, server: string): ServedError => {
  const { cause } = error.reason
  if (cause instanceof Http.NotPermitted) {
    return new Forbidden({
      server,
      problem: `The server ${server} may not do this in its own database: its role there lacks the permission.`,
      toDo: "Run the command where the database is, as its owner, or let the server connect as the owner."
    })
  }
  if (cause instanceof Http.DatabaseUnavailable) {
    return new Unreachable({
      server,
      problem: `The database of the server ${server} is not available.`,
      toDo: "Try again later; a command with the same --command-id, because it may have been carried out."
    })
  }
  return (
    replicaErrorOf(error) ?? new DatabaseFailed({ database: server, reason: error.reason._tag, problem: error.message })
  )
}

const unauthorized = ({ name: server, token }: ServedTarget, { problem }: Http.Unauthorized): Unauthorized => {
  const created = "`backlog token create`, run where the database is, creates one."
  if (token === undefined) {
    return new Unauthorized({
      server,
      problem: `The server ${server} requires an access token.`,
      toDo: `Put one into the environment variable BACKLOG_TOKEN. ${created}`
    })
  }
  return new Unauthorized({
    server,
    problem: `The server ${server} does not accept the token in BACKLOG_TOKEN. ${problem}`,
    toDo: `Put a valid one into BACKLOG_TOKEN. ${created}`
  })
}

const forbidden = (server: string, { problem }: Http.Forbidden): Forbidden =>
  new Forbidden({
    server,
    problem: `The server ${server} refuses this. ${endSentence(problem)}`,
    toDo: problem.endsWith("Omit the actor.") ? "It comes from --actor or BACKLOG_ACTOR." : ""
  })

/** The remedy for a server that does not respond. */
const connectionHint = ({ problem }: ServerFailures.Unreachable): string => {
  if (!problem.startsWith("The server cannot be reached")) return "Try again later."
  if (/wrong version number|packet length too long/i.test(problem)) {
    return "It may speak plain HTTP: use http:// if so."
  }
  if (/self.signed|unable to (verify|get)|certificate/i.test(problem)) {
    return "If an authority of your own signed its certificate, name the authority's file in NODE_EXTRA_CA_CERTS."
  }
  return "Check the URL and the network, and whether `backlog serve` runs there."
}

/** Names the server in a message that begins with "The server". */
const nameServer = (message: string, server: string): string =>
  /^The server\b/.test(message)
    ? message.replace(/^The server('s)?/, (_, possessive?: string) => `The server ${server}${possessive ?? ""}`)
    : message

const endSentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`)
