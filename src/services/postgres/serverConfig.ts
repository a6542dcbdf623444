import type { PgClient } from "@effect/sql-pg"
import { Duration, Effect, Redacted, Result } from "effect"
import { SqlError } from "effect/sql"
import { databaseErrorText } from "../../sql/databaseErrors.ts"
import { createConnection, isIP } from "node:net"
import { userInfo } from "node:os"
import { Duplex } from "node:stream"
import type { ConnectionOptions } from "node:tls"
import { chooseHost } from "./chosenHost.ts"
import {
  ConnectionSettingRefused,
  connectionSettings,
  type ConnectionSettings,
  type ServerHost
} from "./connectionSettings.ts"
import { serverStream } from "../hasOneSession.ts"
import { passwordInFile } from "./passwordFile.ts"
import { tlsOptions } from "./connectionFiles.ts"

/** What a program says of a server and its connections; see `PostgresOptions`. */
interface ServerOptions {
  readonly url: string | Redacted.Redacted
  readonly poolSize?: number | undefined
  readonly connectTimeout?: Duration.Input | undefined
  readonly prepare?: boolean | undefined
}

/** What connections of this program are called on the server, unless `application_name` says otherwise. */
const applicationName = "mosaic-backlog"

const defaultConnectTimeout = Duration.seconds(5)

/** How long a connection is idle before TCP asks the other side whether it is still there. */
const defaultKeepAlive = Duration.seconds(15)

/**
 * How to connect to a server, by its URL, the variables of libpq and the program's options. With several hosts, or where
 * the session must be in a certain state, each new connection searches for a host. Fails with a `ConnectionError` whose
 * cause is `ConnectionSettingRefused` for a setting that is not supported.
 */
export const serverConfig = (options: ServerOptions): Effect.Effect<PgClient.PgPoolConfig, SqlError.SqlError> =>
  Effect.try({
    try: () => configOf(options),
    catch: (cause) =>
      new SqlError.SqlError({
        reason: new SqlError.ConnectionError({
          cause,
          message:
            cause instanceof ConnectionSettingRefused
              ? `the settings of the connection are refused: ${cause.message}`
              : "the settings of the connection cannot be used",
          operation: "connect"
        })
      })
  })

const configOf = (options: ServerOptions): PgClient.PgPoolConfig => {
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
    // The program writes and reads UTF-8, whatever the role's or the database's setting.
    startupParameters: { ...settings.session, client_encoding: "UTF8" },
    maxConnections: options.poolSize ?? 10,
    connectTimeout: timeout,
    prepare: options.prepare ?? true,
    ...(keepAlive === "off"
      ? {}
      : { keepAlive: keepAlive === undefined ? defaultKeepAlive : Duration.seconds(keepAlive) })
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
  // An unusable password file is refused now, and not with each connection.
  passwordFor(hosts[0])
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
    const { failure } = chosen
    const words = databaseErrorText(failure)
    const all = words === failure.message ? words : `${failure.message}: ${words}`
    return new Duplex({ read: () => {}, write: () => {} }).destroy(new Error(all))
  }
  const { host, port } = chosen.success
  return createConnection(
    isSocket(chosen.success)
      ? { path: `${host}/.s.PGSQL.${port}` }
      : {
          host,
          port,
          noDelay: true,
          ...(keepAlive === undefined ? {} : { keepAlive: true, keepAliveInitialDelay: Duration.toMillis(keepAlive) })
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
