import { PgClient } from "@effect/sql-pg"
import type { Layer } from "effect"
import { type Duration, Redacted } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { userInfo } from "node:os"

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
}

/** What connections of this program are called on the server. */
export const applicationName = "mosaic-backlog"

/** A client of a Postgres server, 15 or newer. */
export const layerPostgresClient = (
  options: PostgresOptions
): Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, SqlError.SqlError> => {
  const url = typeof options.url === "string" ? Redacted.make(options.url) : options.url
  return PgClient.layer({
    url,
    ...(namesUser(Redacted.value(url)) ? {} : { username: process.env["PGUSER"] ?? systemUser() }),
    maxConnections: options.poolSize ?? 10,
    connectTimeout: options.connectTimeout ?? "5 seconds",
    prepare: options.prepare ?? true,
    applicationName
  })
}

const namesUser = (url: string): boolean => !URL.canParse(url) || new URL(url).username !== ""

/** A process may run under a number that no user has. */
const systemUser = (): string | undefined => {
  try {
    return userInfo().username
  } catch {
    return undefined
  }
}
