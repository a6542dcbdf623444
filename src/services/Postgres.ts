import { PgClient } from "@effect/sql-pg"
import type { Layer } from "effect"
import { type Duration, Redacted } from "effect"
import type { SqlClient, SqlError } from "effect/sql"

/** A Postgres server and how to use it. */
export interface PostgresOptions {
  /** `postgres://user:password@host:port/database` */
  readonly url: string | Redacted.Redacted
  /** Connections at most, 10 unless told otherwise. */
  readonly poolSize?: number | undefined
  /** How long to try to connect, 5 seconds unless told otherwise. */
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
  PgClient.layer({
    url: typeof options.url === "string" ? Redacted.make(options.url) : options.url,
    maxConnections: options.poolSize ?? 10,
    connectTimeout: options.connectTimeout ?? "5 seconds",
    prepare: options.prepare ?? true,
    applicationName: "mosaic-backlog"
  })
