import { PgClient } from "@effect/sql-pg"
import { Context, Duration, Effect, type Layer, type Redacted } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { makeServerClient, type ServerTimeouts } from "./serverClient.ts"
import { serverConfig } from "./serverConfig.ts"

/** A Postgres server and how to use it. */
export interface PostgresOptions {
  /**
   * `postgres://user:password@host:port/database?setting=value`. Several hosts are separated by commas. What it does not
   * say is taken from the variables that libpq reads, such as `PGUSER`. A setting that is not supported fails with
   * `ConnectionSettingRefused` as the cause of a connection error.
   */
  readonly url: string | Redacted.Redacted
  /** Connections at most, next to the two on which commands are carried out. Defaults to 10. */
  readonly poolSize?: number | undefined
  /** How long to try to connect to a host. Defaults to `connect_timeout` of the URL, else 5 seconds. */
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

/** A client of a Postgres server, 15 or newer. */
export const layerPostgresClient = (
  options: PostgresOptions
): Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, SqlError.SqlError> =>
  PgClient.layerFrom(
    Effect.gen(function* () {
      const timeouts = yield* PostgresTimeouts
      return yield* makeServerClient({
        ...(yield* serverConfig(options)),
        batchTimeout: durationOf(options.batchTimeout, timeouts.batchTimeout),
        answerTimeout: durationOf(options.answerTimeout, timeouts.answerTimeout),
        acquireTimeout: durationOf(options.acquireTimeout, timeouts.acquireTimeout)
      })
    })
  )

const durationOf = (given: Duration.Input | undefined, byDefault: Duration.Duration): Duration.Duration =>
  given === undefined ? byDefault : Duration.fromInputUnsafe(given)
