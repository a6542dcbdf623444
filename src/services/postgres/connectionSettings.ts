import { Result, Schema } from "effect"

/** A host to connect to: an address and a port, or a Unix socket in a directory. */
export interface ServerHost {
  /** A name, an address, or the absolute path of the socket's directory. */
  readonly host: string
  readonly port: number
}

/** The state that a server must have. The names and their meaning are libpq's. */
export type TargetSessionAttrs = "any" | "read-write" | "read-only" | "primary" | "standby" | "prefer-standby"

/** How a connection is encrypted. The names and their meaning are libpq's. */
export type SslMode = "disable" | "require" | "verify-ca" | "verify-full"

/** The settings of a connection, from a URL and the environment. */
export interface ConnectionSettings {
  /** The hosts in the order in which they are tried. */
  readonly hosts: readonly [ServerHost, ...ReadonlyArray<ServerHost>]
  readonly user: string | undefined
  readonly password: string | undefined
  readonly passfile: string | undefined
  readonly database: string | undefined
  readonly targetSessionAttrs: TargetSessionAttrs
  /** Whether the hosts are tried in random order. */
  readonly isShuffled: boolean
  /** The timeout for each host, in seconds; 0 for no limit. */
  readonly connectTimeoutSeconds: number | undefined
  readonly applicationName: string | undefined
  /** Command-line options of the server process, `-c name=value`. */
  readonly options: string | undefined
  /** Settings of the session. */
  readonly session: Readonly<Record<string, string>>
  /** Idle time of a connection before the system probes it, in seconds; `off` for never. */
  readonly keepAlive: number | "off" | undefined
  readonly ssl: {
    readonly mode: SslMode
    /** A file with certificates of authorities, or `system` for those that Node trusts. */
    readonly rootCertificate: string | undefined
    readonly certificate: string | undefined
    readonly key: string | undefined
    readonly keyPassword: string | undefined
    readonly minVersion: "TLSv1.2" | "TLSv1.3" | undefined
    readonly maxVersion: "TLSv1.2" | "TLSv1.3" | undefined
  }
}

/**
 * A setting of a connection, or a value of one, that this program does not support.
 *
 * What to do: change the setting or the variable that `problem` names: docs/configuration.md#connection-settings.
 */
export class ConnectionSettingRefused extends Schema.TaggedError<ConnectionSettingRefused>()(
  "ConnectionSettingRefused",
  { problem: Schema.String }
) {
  override get message(): string {
    return this.problem
  }
}

/** A setting of a connection, as docs/configuration.md describes it. */
interface SettingDescription {
  /** The environment variable that it defaults to. */
  readonly variable: string | null
  readonly meaning: string
  /** The value that applies without the setting and the variable. */
  readonly byDefault: string
}

/** The supported settings. */
export const supportedSettings = {
  host: {
    variable: "PGHOST",
    meaning:
      "One or more hosts, separated by commas. Each new connection tries them in order. An absolute path is the directory of a Unix socket",
    byDefault: "`localhost`"
  },
  port: { variable: "PGPORT", meaning: "One port for all hosts, or one for each", byDefault: "5432" },
  dbname: { variable: "PGDATABASE", meaning: "The database", byDefault: "the user" },
  user: { variable: "PGUSER", meaning: "The user", byDefault: "the operating-system user" },
  password: { variable: "PGPASSWORD", meaning: "The password", byDefault: "that of `passfile`" },
  passfile: {
    variable: "PGPASSFILE",
    meaning: "A file with passwords that only its owner may read. A named file that cannot be used is refused",
    byDefault: "`~/.pgpass`"
  },
  target_session_attrs: {
    variable: "PGTARGETSESSIONATTRS",
    meaning: "`any`, `read-write`, `read-only`, `primary`, `standby` or `prefer-standby`",
    byDefault: "`any`"
  },
  load_balance_hosts: {
    variable: "PGLOADBALANCEHOSTS",
    meaning: "`random` tries the hosts in random order",
    byDefault: "`disable`"
  },
  connect_timeout: {
    variable: "PGCONNECT_TIMEOUT",
    meaning: "Timeout for each host, in seconds; 0 for no limit",
    byDefault: "5 seconds"
  },
  application_name: {
    variable: "PGAPPNAME",
    meaning: "Name of the connections on the server. `/metrics` counts connections with the same name",
    byDefault: "`fallback_application_name`"
  },
  fallback_application_name: {
    variable: null,
    meaning: "The same, if nothing sets `application_name`",
    byDefault: "`mosaic-backlog`"
  },
  options: {
    variable: "PGOPTIONS",
    meaning: "Settings of the session, as in `options=-c%20work_mem%3D8MB`",
    byDefault: "none"
  },
  client_encoding: { variable: "PGCLIENTENCODING", meaning: "Only `UTF8`", byDefault: "`UTF8`" },
  datestyle: { variable: "PGDATESTYLE", meaning: "A setting of the session", byDefault: "that of the server" },
  timezone: { variable: "PGTZ", meaning: "A setting of the session", byDefault: "that of the server" },
  geqo: { variable: "PGGEQO", meaning: "A setting of the session", byDefault: "that of the server" },
  keepalives: { variable: null, meaning: "0 turns TCP keep-alive off", byDefault: "1" },
  keepalives_idle: {
    variable: null,
    meaning: "The idle time before the first probe, in seconds",
    byDefault: "15 seconds"
  },
  ssl: { variable: null, meaning: "`true` means `sslmode=require`", byDefault: "`sslmode` applies" },
  sslmode: {
    variable: "PGSSLMODE",
    meaning:
      "`disable`, `require` (encrypts, and verifies the authority of the certificate only if there is an `sslrootcert`), `verify-ca` or `verify-full`. `prefer` and `allow` are refused, because they leave it to the server whether the connection is encrypted",
    byDefault: "`disable`, unlike libpq"
  },
  sslrootcert: {
    variable: "PGSSLROOTCERT",
    meaning:
      "A file with certificates of authorities, or `system` with `verify-full` for the authorities that Node trusts",
    byDefault:
      "`~/.postgresql/root.crt` if it exists; otherwise `verify-full` uses `system`, and `verify-ca` is refused"
  },
  sslcert: {
    variable: "PGSSLCERT",
    meaning: "The client's certificate; requires `sslkey`",
    byDefault: "no certificate"
  },
  sslkey: {
    variable: "PGSSLKEY",
    meaning:
      "The key of the client's certificate; requires `sslcert`. A key file that other users can read is refused, as by libpq",
    byDefault: "no key"
  },
  sslpassword: { variable: null, meaning: "The password of the key", byDefault: "none" },
  ssl_min_protocol_version: {
    variable: "PGSSLMINPROTOCOLVERSION",
    meaning: "`TLSv1.2` or `TLSv1.3`",
    byDefault: "that of Node"
  },
  ssl_max_protocol_version: {
    variable: "PGSSLMAXPROTOCOLVERSION",
    meaning: "`TLSv1.2` or `TLSv1.3`",
    byDefault: "that of Node"
  },
  // Supported only with values that change nothing.
  channel_binding: { variable: "PGCHANNELBINDING", meaning: "Only `disable` or `prefer`", byDefault: "no effect" },
  gssencmode: { variable: "PGGSSENCMODE", meaning: "Only `disable` or `prefer`", byDefault: "no effect" },
  sslnegotiation: { variable: "PGSSLNEGOTIATION", meaning: "Only `postgres`", byDefault: "no effect" },
  sslsni: { variable: "PGSSLSNI", meaning: "Only 1", byDefault: "no effect" },
  sslcompression: { variable: "PGSSLCOMPRESSION", meaning: "Only 0", byDefault: "no effect" }
} as const satisfies Readonly<Record<string, SettingDescription>>

/** Settings of libpq that are refused, their environment variables, and what to use instead. */
export const unsupportedSettings: Readonly<
  Record<string, { readonly variable: string | null; readonly instead: string }>
> = {
  hostaddr: { variable: "PGHOSTADDR", instead: "give the address as the host" },
  service: { variable: "PGSERVICE", instead: "give the settings of the service in the URL" },
  servicefile: { variable: null, instead: "give the settings of the service in the URL" },
  keepalives_interval: { variable: null, instead: "set it for the operating system" },
  keepalives_count: { variable: null, instead: "set it for the operating system" },
  tcp_user_timeout: { variable: null, instead: "set it for the operating system" },
  replication: { variable: null, instead: "connect without it" },
  require_auth: { variable: "PGREQUIREAUTH", instead: "restrict the methods in the server's pg_hba.conf" },
  requirepeer: { variable: "PGREQUIREPEER", instead: "connect over TCP with sslmode=verify-full" },
  sslcrl: { variable: "PGSSLCRL", instead: "use sslrootcert with a certificate authority of its own" },
  sslcrldir: { variable: "PGSSLCRLDIR", instead: "use sslrootcert with a certificate authority of its own" },
  sslcertmode: { variable: "PGSSLCERTMODE", instead: "give sslcert and sslkey, or neither" },
  krbsrvname: { variable: "PGKRBSRVNAME", instead: "use a password or a certificate" },
  gsslib: { variable: "PGGSSLIB", instead: "use a password or a certificate" },
  gssdelegation: { variable: "PGGSSDELEGATION", instead: "use a password or a certificate" },
  min_protocol_version: { variable: "PGMINPROTOCOLVERSION", instead: "connect without it: the program uses 3.0" },
  max_protocol_version: { variable: "PGMAXPROTOCOLVERSION", instead: "connect without it: the program uses 3.0" }
}

const targets: ReadonlySet<string> = new Set(["any", "read-write", "read-only", "primary", "standby", "prefer-standby"])

const defaultPort = "5432"

/**
 * Parses the settings of a connection from a URL. Settings that the URL does not have default to the variables that
 * libpq reads. A setting has the meaning that it has in libpq, or is refused by name. The problem does not repeat parts
 * of the URL, because they may be secret.
 */
export const parseConnectionSettings = (
  url: string,
  env: Readonly<Record<string, string | undefined>>
): Result.Result<ConnectionSettings, ConnectionSettingRefused> => {
  try {
    return Result.succeed(toSettings(readValues(url, env)))
  } catch (error) {
    if (error instanceof ConnectionSettingRefused) return Result.fail(error)
    throw error
  }
}

/** Formats hosts and their ports for people, separated by commas, without the password. */
export const formatHosts = (hosts: ReadonlyArray<ServerHost>): string => hosts.map(formatHost).join(",")

/** Formats a host and its port for people. */
export const formatHost = ({ host, port }: ServerHost): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`

const refuse = (problem: string): never => {
  throw new ConnectionSettingRefused({ problem })
}

/** The given values by the names of their settings. */
interface Values {
  readonly get: (name: string) => string | undefined
  /** The name under which a value was given: `target_session_attrs`, or `PGTARGETSESSIONATTRS`. */
  readonly source: (name: string) => string
}

const readValues = (url: string, env: Readonly<Record<string, string | undefined>>): Values => {
  const given = parseUrl(url)
  const sources = new Map<string, string>()
  for (const [name, value] of given) {
    const instead = unsupportedSettings[name]?.instead
    if (value !== "" && instead !== undefined) refuse(`the setting ${name} is not supported: ${instead}`)
    if (instead === undefined && !Object.hasOwn(supportedSettings, name)) {
      refuse(`there is no connection setting ${JSON.stringify(name.slice(0, 100))}`)
    }
  }
  const values = new Map([...given].filter(([, value]) => value !== ""))
  for (const [name, { instead, variable }] of Object.entries(unsupportedSettings)) {
    if (variable !== null && (env[variable] ?? "") !== "") {
      refuse(`the variable ${variable} is not supported: ${instead}`)
    }
    values.delete(name)
  }
  for (const [name, { variable }] of Object.entries<SettingDescription>(supportedSettings)) {
    const value = variable === null ? "" : (env[variable] ?? "")
    if (variable === null || value === "" || values.has(name)) continue
    // The URL sets the encryption by its other name.
    if (name === "sslmode" && values.has("ssl")) continue
    values.set(name, value)
    sources.set(name, variable)
  }
  return { get: (name) => values.get(name), source: (name) => sources.get(name) ?? name }
}

/** Parses the parts of a URL as libpq does, and returns them by the names of their settings. */
const parseUrl = (url: string): ReadonlyMap<string, string> => {
  const begin = /^postgres(?:ql)?:\/\//i.exec(url)?.[0]
  if (begin === undefined) return refuse("it is not a URL of the form postgres://user:password@host:port/database")
  let rest = url.slice(begin.length)
  const values = new Map<string, string>()
  const set = (name: string, value: string, what: string): void => {
    if (value !== "") values.set(name, decoded(value, what))
  }
  const authority = /^[^/?@]*@/.exec(rest)?.[0] ?? ""
  if (authority !== "") {
    const [, user = "", password = ""] = /^([^:]*):?(.*)$/s.exec(authority.slice(0, -1)) ?? []
    set("user", user, "the user")
    set("password", password, "the password")
    rest = rest.slice(authority.length)
  }
  const hostList = /^[^/?]*/.exec(rest)?.[0] ?? ""
  rest = rest.slice(hostList.length)
  if (hostList.includes("@")) refuse("the password in the URL has a character that must be percent-encoded: @ is %40")
  if (hostList !== "") {
    const hosts = hostList.split(",").map((each) => {
      const found = /^(\[[^\]]*\]|[^:[\]]*)(?::(\d*))?$/.exec(each)
      if (found === null) {
        return refuse(
          "a host in the URL is not of the form host:port; an IPv6 address is in brackets, as in [::1]:5432"
        )
      }
      const [, host = "", port = ""] = found
      return { host: host.startsWith("[") ? host.slice(1, -1) : decoded(host, "the host"), port }
    })
    values.set("host", hosts.map(({ host }) => host).join(","))
    // Without a port in the URL, PGPORT is used.
    if (hosts.some(({ port }) => port !== "")) values.set("port", hosts.map(({ port }) => port).join(","))
  }
  const [path, query = ""] = splitAt(rest, "?")
  set("dbname", path.slice(1), "the database")
  for (const pair of query === "" ? [] : query.split("&")) {
    const [name, value] = splitAt(pair, "=")
    if (value === undefined) refuse("a setting in the URL has no value: settings are written name=value")
    // JavaScript encodes a space as a plus, and no option of the server begins with a plus.
    const text = name === "options" && value?.startsWith("-c+") === true ? value.replaceAll("+", " ") : (value ?? "")
    values.set(decoded(name, "the name of a setting"), decoded(text, "a setting"))
  }
  return values
}

const splitAt = (text: string, separator: string): readonly [string, string | undefined] => {
  const at = text.indexOf(separator)
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)]
}

const decoded = (text: string, what: string): string => {
  let value = ""
  try {
    value = decodeURIComponent(text)
  } catch {
    refuse(`${what} in the URL is not percent-encoded: % is %25`)
  }
  return value.includes("\u0000") ? refuse(`${what} in the URL has a NUL character`) : value
}

const toSettings = (values: Values): ConnectionSettings => {
  const { get, source } = values
  const oneOf = <A extends string>(name: string, allowed: ReadonlyArray<A>, why = ""): A | undefined => {
    const value = get(name)
    const found = allowed.find((each) => each === value)
    if (value !== undefined && found === undefined) {
      const shown = JSON.stringify(value.slice(0, 100))
      refuse(`${source(name)} is ${shown}, and the program supports ${allowed.join(", ")}${why}`)
    }
    return found
  }
  const whole = (name: string, what: string): number | undefined => {
    const value = get(name)
    if (value === undefined) return undefined
    return /^-?\d{1,9}$/.test(value.trim()) ? Number(value) : refuse(`${source(name)} takes ${what}`)
  }

  oneOf("channel_binding", ["disable", "prefer"], ": it has no channel binding")
  oneOf("gssencmode", ["disable", "prefer"], ": it has no GSSAPI encryption")
  oneOf("sslnegotiation", ["postgres"])
  oneOf("sslsni", ["1"])
  oneOf("sslcompression", ["0"], ": it does not compress")
  const encoding = get("client_encoding")
  if (encoding !== undefined && !/^(auto|utf-?8)$/i.test(encoding)) {
    refuse(`${source("client_encoding")} takes UTF8: the program sends and reads nothing else`)
  }
  const target = get("target_session_attrs") ?? "any"
  if (!targets.has(target)) refuse(`${source("target_session_attrs")} takes ${[...targets].join(", ")}`)
  const session: Record<string, string> = {}
  for (const name of ["datestyle", "timezone", "geqo"]) {
    const value = get(name)
    if (value !== undefined) session[name] = value
  }
  const timeout = whole("connect_timeout", "whole seconds, 0 for no limit")
  const isKeptAlive = oneOf("keepalives", ["0", "1"]) !== "0"
  const idle = whole("keepalives_idle", "whole seconds, 0 for the default")

  return {
    hosts: hostsOf(values),
    user: get("user"),
    password: get("password"),
    passfile: get("passfile"),
    database: get("dbname"),
    targetSessionAttrs: target as TargetSessionAttrs,
    isShuffled: oneOf("load_balance_hosts", ["disable", "random"]) === "random",
    // In libpq, 1 means 2, and a negative number means no limit.
    connectTimeoutSeconds: timeout === undefined ? undefined : timeout === 1 ? 2 : Math.max(0, timeout),
    applicationName: get("application_name") ?? get("fallback_application_name"),
    options: get("options"),
    session,
    keepAlive: isKeptAlive ? (idle === undefined || idle <= 0 ? undefined : idle) : "off",
    ssl: sslOf(values, oneOf)
  }
}

const hostsOf = ({ get, source }: Values): ConnectionSettings["hosts"] => {
  const hosts = (get("host") ?? "").split(",").map((host) => (host === "" ? "localhost" : host))
  const ports = (get("port") ?? "").split(",")
  if (ports.length !== 1 && ports.length !== hosts.length) {
    refuse(`${source("port")} has ${ports.length} ports for ${hosts.length} hosts: give one for all, or one for each`)
  }
  const found = hosts.map((host, index): ServerHost => {
    const text = (ports.length === 1 ? ports[0] : ports[index]) || defaultPort
    const port = /^\d{1,5}$/.test(text.trim()) ? Number(text) : 0
    if (port < 1 || port > 65_535) refuse(`${source("port")} takes ports from 1 to 65535`)
    if (host.startsWith("@")) refuse(`${source("host")} is an abstract socket, which is not supported: use a directory`)
    return { host, port }
  })
  const [first, ...others] = found
  return first === undefined ? refuse("there is no host") : [first, ...others]
}

const sslOf = (
  { get, source }: Values,
  oneOf: <A extends string>(name: string, allowed: ReadonlyArray<A>, why?: string) => A | undefined
): ConnectionSettings["ssl"] => {
  // The name of other drivers for sslmode=require, which libpq accepts too.
  if (oneOf("ssl", ["true"]) === "true" && get("sslmode") === undefined) {
    return {
      ...sslOf(
        { get: (name) => (name === "sslmode" ? "require" : name === "ssl" ? undefined : get(name)), source },
        oneOf
      )
    }
  }
  const modes = ["disable", "require", "verify-ca", "verify-full"] as const
  const given = get("sslmode")
  const found = modes.find((mode) => mode === given)
  if (given !== undefined && found === undefined) {
    refuse(
      `${source("sslmode")} is ${JSON.stringify(given.slice(0, 100))}, and the program supports ${modes.join(", ")}: ` +
        "whether a connection is encrypted is never up to the server"
    )
  }
  const rootCertificate = get("sslrootcert")
  // As in libpq, a given authority is verified, and the authorities of the system are only used to verify names.
  const mode =
    found === "require" && rootCertificate !== undefined && rootCertificate !== "system"
      ? "verify-ca"
      : (found ?? (rootCertificate === "system" ? "verify-full" : "disable"))
  if (rootCertificate === "system" && mode !== "verify-full") {
    refuse(`${source("sslrootcert")} is system, which takes sslmode=verify-full`)
  }
  const [certificate, key] = [get("sslcert"), get("sslkey")]
  if ((certificate === undefined) !== (key === undefined)) refuse("sslcert and sslkey must be given together")
  const versions = ["TLSv1.2", "TLSv1.3"] as const
  return {
    mode,
    rootCertificate,
    certificate,
    key,
    keyPassword: get("sslpassword"),
    minVersion: oneOf("ssl_min_protocol_version", versions),
    maxVersion: oneOf("ssl_max_protocol_version", versions)
  }
}
