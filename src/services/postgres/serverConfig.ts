import { type PgClient, PgConnection } from "@effect/sql-pg"
import { Duration, Effect, Random, Redacted, Result } from "effect"
import { SqlError } from "effect/sql"
import { createConnection, isIP } from "node:net"
import { userInfo } from "node:os"
import { Duplex } from "node:stream"
import type { ConnectionOptions } from "node:tls"
import { databaseErrorText } from "../../sql/databaseErrors.ts"
import { maxMessageSize } from "../../sql/maxMessageSize.ts"
import { serverStream } from "../hasOneSession.ts"
import { findPassword, readTlsOptions } from "./connectionFiles.ts"
import {
  ConnectionSettingRefused,
  type ConnectionSettings,
  formatHost,
  parseConnectionSettings,
  type ServerHost,
  type TargetSessionAttrs
} from "./connectionSettings.ts"

/** See `PostgresOptions`. */
interface ServerOptions {
  readonly url: string | Redacted.Redacted
  readonly poolSize?: number | undefined
  readonly connectTimeout?: Duration.Input | undefined
  readonly prepare?: boolean | undefined
}

/** How a pool connects to a server. */
export type ServerConfig = PgClient.PgPoolConfig & {
  /** Calls a function with the host of the connections, now and when another one is chosen. */
  readonly onHost: (listener: (host: ServerHost) => void) => void
}

/** The default of `application_name`, by which the server names this program's connections. */
const defaultApplicationName = "mosaic-backlog"

const defaultConnectTimeout = Duration.seconds(5)

/** How long a connection is idle before TCP probes it. */
const defaultKeepAlive = Duration.seconds(15)

/**
 * Makes the configuration of a pool from a server's URL, the variables of libpq and the program's options. With several
 * hosts, or with `target_session_attrs`, each new connection chooses a host. Fails with a `ConnectionError` whose cause
 * is `ConnectionSettingRefused` when a setting is not supported.
 */
export const makeServerConfig = (options: ServerOptions): Effect.Effect<ServerConfig, SqlError.SqlError> =>
  Effect.try({
    try: () => toPoolConfig(options),
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

const toPoolConfig = (options: ServerOptions): ServerConfig => {
  const url = typeof options.url === "string" ? options.url : Redacted.value(options.url)
  const settings = Result.getOrThrow(parseConnectionSettings(url, process.env))
  const { hosts, keepAlive, targetSessionAttrs } = settings
  const username = settings.user ?? systemUser()
  const timeout = Duration.fromInputUnsafe(options.connectTimeout ?? timeoutOf(settings))
  const ssl = readTlsOptions(settings)
  const passwordFor = (host: ServerHost): Redacted.Redacted | undefined => {
    const found =
      settings.password ?? findPassword(settings.passfile, host, settings.database ?? username ?? "", username ?? "")
    return found === undefined ? undefined : Redacted.make(found)
  }
  const common = {
    username,
    database: settings.database,
    applicationName: settings.applicationName ?? defaultApplicationName,
    startupOptions: settings.options,
    // The program reads and writes UTF-8, whatever the role or the database sets.
    startupParameters: { ...settings.session, client_encoding: "UTF8" },
    maxConnections: options.poolSize ?? 10,
    connectTimeout: timeout,
    prepare: options.prepare ?? true,
    // A claim of many cards returns their bodies in one message.
    maxMessageSize,
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
  if (hosts.length === 1 && targetSessionAttrs === "any") {
    return { ...on(hosts[0]), onHost: (listener) => listener(hosts[0]) }
  }

  if (ssl !== false && hosts.some(isSocket)) {
    throw new ConnectionSettingRefused({
      problem: "the hosts are sockets and others, and sslmode is for all of them: leave one of the two out"
    })
  }
  // A password file that cannot be used fails here, and not at each connection.
  passwordFor(hosts[0])
  let chosen: Result.Result<ServerHost, SqlError.SqlError> = Result.succeed(hosts[0])
  const current = () => Result.getOrElse(chosen, () => hosts[0])
  let listener: (host: ServerHost) => void = () => {}
  return {
    ...common,
    // The client evaluates the password before each connection, right before it opens the stream.
    password: Effect.map(Effect.result(chooseHost(settings, on, timeout)), (found) => {
      chosen = found
      listener(current())
      return passwordFor(current()) ?? Redacted.make("")
    }),
    onHost: (given) => {
      listener = given
      given(current())
    },
    connectTimeout: Duration.times(timeout, hosts.length + 1),
    ssl: ssl === false ? false : withServerName(ssl, () => current().host),
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
    const reason = databaseErrorText(failure)
    const text = reason === failure.message ? reason : `${failure.message}: ${reason}`
    return new Duplex({ read: () => {}, write: () => {} }).destroy(new Error(text))
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

/** The server name of a handshake is that of the chosen host. */
const withServerName = (options: ConnectionOptions, host: () => string): ConnectionOptions =>
  Object.defineProperty({ ...options }, "servername", {
    enumerable: true,
    get: () => (isIP(host()) === 0 ? host() : undefined)
  })

/** As in libpq, `0` means no limit. */
const timeoutOf = ({ connectTimeoutSeconds: seconds }: ConnectionSettings): Duration.Duration =>
  seconds === undefined ? defaultConnectTimeout : seconds === 0 ? Duration.infinity : Duration.seconds(seconds)

/** `undefined` when the process runs under a user id without a name. */
const systemUser = (): string | undefined => {
  try {
    return userInfo().username
  } catch {
    return undefined
  }
}

/** The state of a server, which `target_session_attrs` selects. */
interface SessionState {
  readonly isStandby: boolean
  readonly isReadOnly: boolean
}

const meetsTarget: Readonly<Record<TargetSessionAttrs, (state: SessionState) => boolean>> = {
  any: () => true,
  "read-write": ({ isReadOnly }) => !isReadOnly,
  "read-only": ({ isReadOnly }) => isReadOnly,
  primary: ({ isStandby }) => !isStandby,
  standby: ({ isStandby }) => isStandby,
  "prefer-standby": ({ isStandby }) => isStandby
}

/**
 * Returns the first host that accepts a connection within `hostTimeout` and whose state meets `target_session_attrs`,
 * as libpq chooses it. A refused password ends the search. Fails with a `ConnectionError` that says for each host why
 * it was not chosen.
 */
const chooseHost = Effect.fnUntraced(function* (
  { hosts, isShuffled, targetSessionAttrs: target }: ConnectionSettings,
  configOf: (host: ServerHost) => PgConnection.Config,
  hostTimeout: Duration.Duration
) {
  const readState = (host: ServerHost) =>
    PgConnection.make({ ...configOf(host), connectTimeout: hostTimeout }).pipe(
      Effect.flatMap((connection) =>
        connection.query(
          "SELECT pg_is_in_recovery() AS \"isStandby\", current_setting('transaction_read_only') = 'on' AS \"isReadOnly\"",
          [],
          false
        )
      ),
      Effect.map(({ rows }) => rows[0] as unknown as SessionState),
      Effect.scoped,
      Effect.timeoutOrElse({
        duration: hostTimeout,
        orElse: () => Effect.fail(connectionError(new Error("the server did not answer in time"), "no answer"))
      })
    )

  const candidates = isShuffled ? yield* Random.shuffle(hosts) : hosts
  const reasons: Array<string> = []
  /** The choice of `prefer-standby` when no host is a standby. */
  let fallback: ServerHost | undefined
  for (const host of candidates) {
    const state = yield* Effect.result(readState(host))
    if (state._tag === "Failure") {
      if (state.failure.reason._tag === "AuthenticationError") return yield* state.failure
      reasons.push(`${formatHost(host)}: ${databaseErrorText(state.failure)}`)
    } else {
      if (meetsTarget[target](state.success)) return host
      fallback ??= host
      reasons.push(`${formatHost(host)}: ${describeState(state.success)}`)
    }
  }
  if (target === "prefer-standby" && fallback !== undefined) return fallback
  const requirement = target === "any" ? "accepts a connection" : `is ${target}`
  return yield* connectionError(new Error(reasons.join("; ")), `none of the hosts ${requirement}`)
})

const describeState = ({ isReadOnly, isStandby }: SessionState): string =>
  isStandby ? "a standby" : isReadOnly ? "a primary server, with read-only transactions" : "a primary server"

const connectionError = (cause: Error, message: string) =>
  new SqlError.SqlError({ reason: new SqlError.ConnectionError({ cause, message, operation: "connect" }) })
