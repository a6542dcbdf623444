import { type PgClient, PgConnection } from "@effect/sql-pg"
import { Duration, Effect, Random, Redacted, Result } from "effect"
import { SqlError } from "effect/sql"
import { databaseErrorText } from "../../sql/databaseErrors.ts"
import { createConnection, isIP } from "node:net"
import { userInfo } from "node:os"
import { Duplex } from "node:stream"
import type { ConnectionOptions } from "node:tls"
import { serverStream } from "../hasOneSession.ts"
import { findPassword, readTlsOptions } from "./connectionFiles.ts"
import {
  ConnectionSettingRefused,
  type ConnectionSettings,
  parseConnectionSettings,
  formatHost,
  type ServerHost,
  type TargetSessionAttrs
} from "./connectionSettings.ts"

/** What decides whether a session is one of those that are wanted. */
interface SessionState {
  readonly isStandby: boolean
  readonly isReadOnly: boolean
}

const isWanted: Readonly<Record<TargetSessionAttrs, (state: SessionState) => boolean>> = {
  any: () => true,
  "read-write": ({ isReadOnly }) => !isReadOnly,
  "read-only": ({ isReadOnly }) => isReadOnly,
  primary: ({ isStandby }) => !isStandby,
  standby: ({ isStandby }) => isStandby,
  "prefer-standby": ({ isStandby }) => isStandby
}

/**
 * The first host that accepts a connection and is in the state that is wanted, as libpq chooses it. Each is connected to
 * and asked, within `hostTimeout`; a refused password ends the search. Fails with a `ConnectionError` that says for each
 * host why it was not chosen.
 */
const chooseHost = Effect.fnUntraced(function* (
  { hosts, isShuffled, targetSessionAttrs: target }: ConnectionSettings,
  configOf: (host: ServerHost) => PgConnection.Config,
  hostTimeout: Duration.Duration
) {
  const stateOf = (host: ServerHost) =>
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
  let second: ServerHost | undefined
  for (const host of candidates) {
    const state = yield* Effect.result(stateOf(host))
    if (state._tag === "Failure") {
      if (state.failure.reason._tag === "AuthenticationError") return yield* state.failure
      reasons.push(`${formatHost(host)}: ${databaseErrorText(state.failure)}`)
    } else {
      if (isWanted[target](state.success)) return host
      second ??= host
      reasons.push(`${formatHost(host)}: ${describe(state.success)}`)
    }
  }
  if (target === "prefer-standby" && second !== undefined) return second
  const wanted = target === "any" ? "accepts a connection" : `is ${target}`
  return yield* connectionError(new Error(reasons.join("; ")), `none of the hosts ${wanted}`)
})

const describe = ({ isReadOnly, isStandby }: SessionState): string =>
  isStandby ? "a standby" : isReadOnly ? "a primary server, with read-only transactions" : "a primary server"

const connectionError = (cause: Error, message: string) =>
  new SqlError.SqlError({ reason: new SqlError.ConnectionError({ cause, message, operation: "connect" }) })

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
export const makeServerConfig = (options: ServerOptions): Effect.Effect<PgClient.PgPoolConfig, SqlError.SqlError> =>
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
