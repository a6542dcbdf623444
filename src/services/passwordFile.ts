import { readFileSync, statSync } from "node:fs"
import { homedir } from "node:os"
import { join } from "node:path"
import type { ServerHost } from "./connectionSettings.ts"

/**
 * The password for a host in a password file of libpq: lines `host:port:database:user:password`, of which the first that
 * matches counts. Defaults to `~/.pgpass`. None where there is no such file, or where others than its owner may read it.
 */
export const passwordInFile = (
  file: string | undefined,
  { host, port }: ServerHost,
  database: string,
  user: string
): string | undefined => {
  const text = ownText(file ?? join(homedir(), ".pgpass"))
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

const ownText = (file: string): string => {
  try {
    const { mode } = statSync(file)
    return process.platform !== "win32" && (mode & 0o077) !== 0 ? "" : readFileSync(file, "utf8")
  } catch {
    return ""
  }
}
