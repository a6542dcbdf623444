import { PgClient } from "@effect/sql-pg"
import { Context, Duration, Effect, type Layer, Redacted } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { userInfo } from "node:os"
import { makeServerClient, type ServerTimeouts } from "./serverClient.ts"

/** A Postgres server and how to use it. */
export interface PostgresOptions {
  /** `postgres://user:password@host:port/database`; without a user `PGUSER`, else the operating system's user. */
  readonly url: string | Redacted.Redacted
  /** Connections at most, 10 unless told otherwise, beside the two on which commands are carried out. */
  readonly poolSize?: number | undefined
  /** How long to try to connect, 5 seconds unless told otherwise. */
  readonly connectTimeout?: Duration.Input | undefined
  /**
   * Whether statements are prepared by name, which is faster and the default. Turn it off behind a pooler that loses
   * named statements.
   */
  readonly prepare?: boolean | undefined
  /**
   * How long the server may leave a batch of commands without a byte of its answer: waits for locks and for the
   * replication of the commit included. After that the connection is closed, and the commands fail with an `SqlError`
   * whose message says whether they may have been committed. Defaults to that of `PostgresTimeouts`: 30 seconds.
   */
  readonly batchTimeout?: Duration.Input | undefined
  /**
   * The same for every other statement: reads, and the statements of consumers and of the caller's own transactions.
   * Migrations and rebuilds have no such timeout. Defaults to that of `PostgresTimeouts`: 5 minutes.
   */
  readonly answerTimeout?: Duration.Input | undefined
  /**
   * How long to wait for a connection of the pool when all are in use. Defaults to that of `PostgresTimeouts`: 30
   * seconds.
   */
  readonly acquireTimeout?: Duration.Input | undefined
}

/** The timeouts of clients that are configured without any. */
export const defaultTimeouts: ServerTimeouts = {
  batchTimeout: Duration.seconds(30),
  answerTimeout: Duration.minutes(5),
  acquireTimeout: Duration.seconds(30)
}

/** The timeouts of clients that are configured without any, where a layer is built. */
export const PostgresTimeouts: Context.Reference<ServerTimeouts> = Context.Reference<ServerTimeouts>(
  "mosaic-backlog/services/PostgresTimeouts",
  { defaultValue: () => defaultTimeouts }
)

/** How long a connection is idle before TCP asks the other side whether it is still there. */
const keepAlive = Duration.seconds(15)

/** What connections of this program are called on the server. */
export const applicationName = "mosaic-backlog"

/** A client of a Postgres server, 15 or newer. */
export const layerPostgresClient = (
  options: PostgresOptions
): Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, SqlError.SqlError> => {
  const url = typeof options.url === "string" ? Redacted.make(options.url) : options.url
  return PgClient.layerFrom(
    Effect.flatMap(PostgresTimeouts, (timeouts) =>
      makeServerClient({
        url,
        ...(namesUser(Redacted.value(url)) ? {} : { username: process.env["PGUSER"] ?? systemUser() }),
        maxConnections: options.poolSize ?? 10,
        connectTimeout: options.connectTimeout ?? "5 seconds",
        prepare: options.prepare ?? true,
        applicationName,
        keepAlive,
        batchTimeout: durationOf(options.batchTimeout, timeouts.batchTimeout),
        answerTimeout: durationOf(options.answerTimeout, timeouts.answerTimeout),
        acquireTimeout: durationOf(options.acquireTimeout, timeouts.acquireTimeout)
      })
    )
  )
}

const durationOf = (given: Duration.Input | undefined, byDefault: Duration.Duration): Duration.Duration =>
  given === undefined ? byDefault : Duration.fromInputUnsafe(given)

const namesUser = (url: string): boolean => !URL.canParse(url) || new URL(url).username !== ""

/** A process may run under a number that no user has. */
const systemUser = (): string | undefined => {
  try {
    return userInfo().username
  } catch {
    return undefined
  }
}
