import { Redacted, Result } from "effect"
import { statSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { InvalidInput } from "../index.ts"
import { currentUserId } from "../services/files/privateFiles.ts"
import { formatHosts, parseConnectionSettings } from "../services/postgres/connectionSettings.ts"
import { readVariable } from "./environmentVariables.ts"
import type { ProcessIO } from "./ProcessIO.ts"
import { escapeLine } from "./terminalText.ts"

/** The database of a command, with a name that contains no password. */
export type DatabaseTarget =
  | { readonly _tag: "Server"; readonly url: string; readonly name: string; readonly prepare: boolean }
  | {
      readonly _tag: "Directory"
      readonly directory: string
      readonly name: string
      /** The directory where the search for a `.backlog` started, if it found none. */
      readonly searchedFrom?: string
    }

/** A backlog that a server of the program serves over HTTP. */
export interface ServedTarget {
  readonly _tag: "Served"
  /** The server's URL, which contains no secret. */
  readonly url: string
  readonly name: string
  /** The access token of `BACKLOG_TOKEN`. */
  readonly token: Redacted.Redacted | undefined
}

/** The backlog of a command: in a database, or served. */
export type BacklogTarget = DatabaseTarget | ServedTarget

/** The backlog of a command, and a note for standard error. */
export interface ChosenTarget {
  readonly target: BacklogTarget
  readonly note: string | undefined
}

/** Name of the directory that is used by default. */
const defaultDirectory = ".backlog"

/**
 * Selects the backlog of a command: `--db`, else `BACKLOG_DATABASE_URL`, else `DATABASE_URL`, else the nearest directory
 * `.backlog` in `from` or above it, else `.backlog` in `from`. The first two may be the URL of a server, which gets the
 * token of `BACKLOG_TOKEN`; `DATABASE_URL` may not, because other programs set it. `BACKLOG_PREPARE=off` turns named
 * prepared statements off, for poolers that drop them. Adds a note if `DATABASE_URL` is used although there is a `.backlog`.
 */
export const resolveDatabaseTarget = (
  db: string | undefined,
  env: ProcessIO["Service"]["env"],
  from: string = process.cwd()
): Result.Result<ChosenTarget, InvalidInput> => {
  const prepare = readVariable(env, "BACKLOG_PREPARE") ?? "on"
  if (prepare !== "on" && prepare !== "off") {
    return Result.fail(new InvalidInput({ problem: "BACKLOG_PREPARE takes on or off" }))
  }
  const options = { prepare: prepare === "on", env }
  const parse = (source: string, value: string): Result.Result<BacklogTarget, InvalidInput> =>
    isServedUrl(value) ? parseServed(source, value, env) : parseTarget(source, value, options)
  const named = (source: string, value: string) =>
    Result.map(parse(source, value), (target) => ({ target, note: undefined }))
  if (db !== undefined) return named("--db", db)
  const backlogUrl = readVariable(env, "BACKLOG_DATABASE_URL")
  if (backlogUrl !== undefined) return named("BACKLOG_DATABASE_URL", backlogUrl)
  const found = findNearestBacklog(from)
  const url = readVariable(env, "DATABASE_URL")
  if (url !== undefined) {
    if (isServedUrl(url)) {
      return Result.fail(
        new InvalidInput({
          problem:
            `DATABASE_URL takes a postgres:// URL or a directory, not a ${url.slice(0, url.indexOf(":"))}:// URL. ` +
            "Name a served backlog with --db or BACKLOG_DATABASE_URL"
        })
      )
    }
    return Result.map(parseTarget("DATABASE_URL", url, options), (target) => ({
      target,
      note:
        found === undefined
          ? undefined
          : `DATABASE_URL is set, so ${escapeLine(target.name)} is used and not the backlog in ` +
            `${escapeLine(found.directory)}: to use that backlog, add --db ${escapeLine(found.directory)}`
    }))
  }
  if (found === undefined) {
    const directory = defaultDirectory
    return Result.succeed({
      target: { _tag: "Directory", directory, name: directory, searchedFrom: resolve(from) },
      note: undefined
    })
  }
  if (found.isForeign) {
    return Result.fail(
      new InvalidInput({
        problem:
          `${escapeLine(found.directory)} belongs to another user, who may have planted it there. To create ` +
          `a backlog in this directory, add --db ${defaultDirectory}; to use the other backlog, run as its user`
      })
    )
  }
  const { directory } = found
  return Result.succeed({ target: { _tag: "Directory", directory, name: directory }, note: undefined })
}

interface FoundBacklog {
  readonly directory: string
  /** Whether it is in a parent directory and belongs to another user, who may have planted it there. */
  readonly isForeign: boolean
}

const findNearestBacklog = (from: string): FoundBacklog | undefined => {
  const currentUser = currentUserId()
  for (let place = resolve(from); ; place = dirname(place)) {
    const directory = join(place, defaultDirectory)
    const found = statSync(directory, { throwIfNoEntry: false, bigint: false })
    if (found?.isDirectory() === true) {
      return place === resolve(from)
        ? { directory: defaultDirectory, isForeign: false }
        : { directory, isForeign: currentUser !== undefined && found.uid !== currentUser }
    }
    if (dirname(place) === place) return undefined
  }
}

/** The flag and the variable that may name a served backlog. */
const servedSources: ReadonlySet<string> = new Set(["--db", "BACKLOG_DATABASE_URL"])

const isServedUrl = (value: string): boolean => /^https?:\/\//i.test(value)

/** Parses the URL of a served backlog. The errors do not repeat it, because it may contain a secret. */
const parseServed = (
  source: string,
  value: string,
  env: ProcessIO["Service"]["env"]
): Result.Result<ServedTarget, InvalidInput> => {
  const refuse = (problem: string) => Result.fail(new InvalidInput({ problem }))
  const url = URL.parse(value)
  if (url === null || value !== value.trim()) {
    return refuse(`${source} is not a URL of the form https://host or https://host/path`)
  }
  if (url.username !== "" || url.password !== "") {
    return refuse(`${source} has a user or a password in it: put the access token into BACKLOG_TOKEN instead`)
  }
  if (url.search !== "" || url.hash !== "") {
    return refuse(
      `${source} has a query or a fragment: it takes the address of the server, https://host or https://host/path`
    )
  }
  const token = readVariable(env, "BACKLOG_TOKEN")
  if (token !== undefined && !/^[!-~]+$/.test(token)) {
    return refuse("BACKLOG_TOKEN has white space or other characters in it that no token has")
  }
  const address = url.href.replace(/\/$/, "")
  return Result.succeed({
    _tag: "Served",
    url: address,
    name: address,
    token: token === undefined ? undefined : Redacted.make(token)
  })
}

/** Options for parsing a server's URL. */
interface TargetOptions {
  readonly prepare: boolean
  readonly env: ProcessIO["Service"]["env"]
}

/**
 * Returns why a value is not accepted as a directory: it looks like a server's address, and a directory of that name would
 * contain a password. The text does not repeat the value.
 */
const findServerMistake = (value: string, takes: string): string | undefined => {
  if (/^["'`]|["'`]$/.test(value.trim())) return "has quotes around it: remove the quotes"
  if (value !== value.trim()) return "has white space around it: remove the white space"
  if (/^(host|hostaddr|port|user|password|dbname|service)\s*=/i.test(value)) {
    return `takes ${takes}, not keywords: postgres://user:password@host:port/database`
  }
  if (/^[\w.-]+(:[^/\\@]*)?@|^(\[[0-9a-f:.]+\]|[\w.-]+):\d+(\/|$)/i.test(value)) {
    return `takes ${takes}, and has no postgres:// before the host. If it is a directory, prefix it with ./`
  }
  return /:\/\//.test(value.replace(/^[a-z][a-z0-9+.-]*:\/\//i, "")) && !/^postgres/i.test(value)
    ? `takes ${takes}, and has a URL in it`
    : undefined
}

/** Parses the value of a flag or variable named `source`. */
export const parseTarget = (
  source: string,
  value: string,
  { env, prepare }: TargetOptions
): Result.Result<DatabaseTarget, InvalidInput> => {
  const refuse = (problem: string) => Result.fail(new InvalidInput({ problem: `${source} ${problem}` }))
  const takes = servedSources.has(source)
    ? "a postgres:// URL, a directory, or the https:// URL of a served backlog"
    : "a postgres:// URL or a directory"
  if (value.trim() === "") return refuse(`is empty: it takes ${takes}`)
  const almost = findServerMistake(value, takes)
  if (almost !== undefined) return refuse(almost)
  if (value.includes("\u0000")) return refuse("contains a NUL character")
  // A single letter is a Windows drive.
  const [, name = "", slashes = ""] = /^([a-z][a-z0-9+.-]+):(\/\/)?/i.exec(value) ?? []
  const scheme = name.toLowerCase()
  if (scheme === "") return Result.succeed({ _tag: "Directory", directory: value, name: value })
  if (scheme !== "postgres" && scheme !== "postgresql") {
    return refuse(
      `takes ${takes}, not a ${scheme}:${slashes} URL` +
        (slashes === "" ? `. If it is a directory, prefix it with ./` : "")
    )
  }
  const settings = parseConnectionSettings(value, env)
  return Result.isFailure(settings)
    ? refuse(`cannot be used: ${settings.failure.problem}`)
    : Result.succeed({ _tag: "Server", url: value, name: formatHosts(settings.success.hosts), prepare })
}
