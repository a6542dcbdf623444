import { PgClient } from "@effect/sql-pg"
import { type Duration, Effect, type Layer, type Redacted } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { serverConfig } from "./serverConfig.ts"

/** A Postgres server and how to use it. */
export interface PostgresOptions {
  /**
   * `postgres://user:password@host:port/database?setting=value`. Several hosts are separated by commas. What it does not
   * say is taken from the variables that libpq reads, such as `PGUSER`. A setting that is not supported fails with
   * `ConnectionSettingRefused` as the cause of a connection error.
   */
  readonly url: string | Redacted.Redacted
  /** Connections at most, 10 unless told otherwise, beside the two on which commands are carried out. */
  readonly poolSize?: number | undefined
  /** How long to try to connect to a host. Defaults to `connect_timeout` of the URL, else 5 seconds. */
  readonly connectTimeout?: Duration.Input | undefined
  /**
   * Whether statements are prepared by name, which is faster and the default. Turn it off behind a pooler that loses
   * named statements.
   */
  readonly prepare?: boolean | undefined
}

/** A client of a Postgres server, 15 or newer. */
export const layerPostgresClient = (
  options: PostgresOptions
): Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, SqlError.SqlError> =>
  PgClient.layerFrom(Effect.flatMap(serverConfig(options), PgClient.make))
