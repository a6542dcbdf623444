import { readFileSync, statSync } from "node:fs"
import { homedir } from "node:os"
import { join } from "node:path"
import { ConnectionSettingRefused, type ServerHost } from "./connectionSettings.ts"

/**
 * The password for a host in a password file of libpq: lines `host:port:database:user:password`, of which the first that
 * matches counts. Defaults to `~/.pgpass`, which is optional. A `file` that is missing, or that other users may read, throws
 * `ConnectionSettingRefused`.
 */
export const passwordInFile = (
  file: string | undefined,
  { host, port }: ServerHost,
  database: string,
  user: string
): string | undefined => {
  const text = file === undefined ? optionalText(join(homedir(), ".pgpass")) : ownText(file)
  // A socket in any directory goes by this name.
  const wanted = [host.startsWith("/") ? "localhost" : host, String(port), database, user]
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith("#")) continue
    const fields = [...line.matchAll(/((?:\\.|[^:\\])*)(?::|$)/gs)].map(([, field = ""]) =>
      field.replace(/\\(.)/gs, "$1")
    )
    if (fields.length >= 5 && wanted.every((each, index) => fields[index] === "*" || fields[index] === each)) {
      return fields[4]
    }
  }
  return undefined
}

/** Programs of libpq ignore the file of every user where others may read it. */
const optionalText = (file: string): string => {
  try {
    return ownText(file)
  } catch {
    return ""
  }
}

const ownText = (file: string): string => {
  const refuse = (what: string) => new ConnectionSettingRefused({ problem: `passfile ${JSON.stringify(file)} ${what}` })
  let text: string
  try {
    const { mode } = statSync(file)
    if (process.platform !== "win32" && (mode & 0o077) !== 0) {
      throw refuse("may be read by other users: chmod 600")
    }
    text = readFileSync(file, "utf8")
  } catch (error) {
    if (error instanceof ConnectionSettingRefused) throw error
    throw refuse(`cannot be read (${error instanceof Error ? error.message : String(error)})`)
  }
  return text
}
