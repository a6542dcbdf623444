import { PgClient } from "@effect/sql-pg"
import { Duration, Effect, Layer, Redacted, Result } from "effect"
import { type SqlClient, SqlError } from "effect/sql"
import { createConnection, isIP } from "node:net"
import { userInfo } from "node:os"
import { Duplex } from "node:stream"
import type { ConnectionOptions } from "node:tls"
import { chooseHost } from "./chosenHost.ts"
import { ConnectionSettingRefused, connectionSettings, type ConnectionSettings, type ServerHost } from "./connectionSettings.ts"
import { serverStream } from "./hasOneSession.ts"
import { passwordInFile } from "./passwordFile.ts"
import { tlsOptions } from "./tlsOptions.ts"

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

/** What connections of this program are called on the server, unless `application_name` says otherwise. */
export const applicationName = "mosaic-backlog"

const defaultConnectTimeout = Duration.seconds(5)

/** A client of a Postgres server, 15 or newer. */
export const layerPostgresClient = (
  options: PostgresOptions
): Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, SqlError.SqlError> =>
  Layer.unwrap(
    Effect.try({
      try: () => PgClient.layer(configOf(options)),
      catch: (cause) =>
        new SqlError.SqlError({
          reason: new SqlError.ConnectionError({
            cause,
            message:
              cause instanceof ConnectionSettingRefused
                ? `the connection's settings are refused: ${cause.message}`
                : "the connection's settings cannot be used",
            operation: "connect"
          })
        })
    })
  )

/** Where a server is and how to connect to it. Throws `ConnectionSettingRefused`. */
const configOf = (options: PostgresOptions): PgClient.PgPoolConfig => {
  const url = typeof options.url === "string" ? options.url : Redacted.value(options.url)
  const settings = Result.getOrThrow(connectionSettings(url, process.env))
  const { hosts, keepAlive, targetSessionAttrs } = settings
  const username = settings.user ?? systemUser()
  const timeout = Duration.fromInputUnsafe(options.connectTimeout ?? timeoutOf(settings))
  const ssl = tlsOptions(settings)
  const passwordFor = (host: ServerHost): Redacted.Redacted | undefined => {
    const found =
      settings.password ?? passwordInFile(settings.passfile, host, settings.database ?? username ?? "", username ?? "")
    return found === undefined ? undefined : Redacted.make(found)
  }
  const common = {
    username,
    database: settings.database,
    applicationName: settings.applicationName ?? applicationName,
    startupOptions: settings.options,
    startupParameters: settings.session,
    maxConnections: options.poolSize ?? 10,
    connectTimeout: timeout,
    prepare: options.prepare ?? true,
    ...(keepAlive === undefined || keepAlive === "off" ? {} : { keepAlive: Duration.seconds(keepAlive) })
  }
  const on = (host: ServerHost) => ({
    ...common,
    host: host.host,
    port: host.port,
    ssl: isSocket(host) ? false : ssl,
    password: passwordFor(host)
  })
  if (hosts.length === 1 && targetSessionAttrs === "any") return on(hosts[0])

  if (ssl !== false && hosts.some(isSocket)) {
    throw new ConnectionSettingRefused({
      problem: "the hosts are sockets and others, and sslmode is for all of them: leave one of the two out"
    })
  }
  let chosen: Result.Result<ServerHost, SqlError.SqlError> = Result.succeed(hosts[0])
  const current = () => Result.getOrElse(chosen, () => hosts[0])
  return {
    ...common,
    // Evaluated before each connection, right before the stream is opened.
    password: Effect.map(Effect.result(chooseHost(settings, on, timeout)), (found) => {
      chosen = found
      return passwordFor(current()) ?? Redacted.make("")
    }),
    connectTimeout: Duration.times(timeout, hosts.length + 1),
    ssl: ssl === false ? false : withName(ssl, () => current().host),
    stream: serverStream(() => openStream(chosen, common))
  }
}

const isSocket = ({ host }: ServerHost): boolean => host.startsWith("/")

const openStream = (
  chosen: Result.Result<ServerHost, SqlError.SqlError>,
  { keepAlive }: { readonly keepAlive?: Duration.Duration }
): Duplex => {
  if (Result.isFailure(chosen)) {
    const { reason } = chosen.failure
    const words = reason.cause instanceof Error ? `${reason.message}: ${reason.cause.message}` : reason.message
    return new Duplex({ read: () => {}, write: () => {} }).destroy(new Error(words))
  }
  const { host, port } = chosen.success
  return createConnection(
    isSocket(chosen.success)
      ? { path: `${host}/.s.PGSQL.${port}` }
      : {
          host,
          port,
          noDelay: true,
          ...(keepAlive === undefined
            ? {}
            : { keepAlive: true, keepAliveInitialDelay: Duration.toMillis(keepAlive) })
        }
  )
}

/** The server's name in the handshake is that of the host which was chosen. */
const withName = (options: ConnectionOptions, host: () => string): ConnectionOptions =>
  Object.defineProperty({ ...options }, "servername", {
    enumerable: true,
    get: () => (isIP(host()) === 0 ? host() : undefined)
  })

/** `0` is no limit, as in libpq. */
const timeoutOf = ({ connectTimeoutSeconds: seconds }: ConnectionSettings): Duration.Duration =>
  seconds === undefined ? defaultConnectTimeout : seconds === 0 ? Duration.infinity : Duration.seconds(seconds)

/** A process may run under a number that no user has. */
const systemUser = (): string | undefined => {
  try {
    return userInfo().username
  } catch {
    return undefined
  }
}
