import { readFileSync, statSync } from "node:fs"
import { homedir } from "node:os"
import { join } from "node:path"
import { checkServerIdentity, type ConnectionOptions } from "node:tls"
import { isSecretExposed } from "../files/privateFiles.ts"
import { ConnectionSettingRefused, type ConnectionSettings, type ServerHost } from "./connectionSettings.ts"

/**
 * Finds the password for a host in a password file of libpq. The first matching line `host:port:database:user:password`
 * counts. `file` defaults to `~/.pgpass`, which is optional. Throws `ConnectionSettingRefused` when `file` is missing
 * or can be read by other users.
 */
export const findPassword = (
  file: string | undefined,
  { host, port }: ServerHost,
  database: string,
  user: string
): string | undefined => {
  const text = file === undefined ? readOptional(join(homedir(), ".pgpass")) : readPrivate(file)
  // Lines for a socket in any directory have the host localhost.
  const key = [host.startsWith("/") ? "localhost" : host, String(port), database, user]
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith("#")) continue
    const fields = [...line.matchAll(/((?:\\.|[^:\\])*)(?::|$)/gs)].map(([, field = ""]) =>
      field.replace(/\\(.)/gs, "$1")
    )
    if (fields.length >= 5 && key.every((each, index) => fields[index] === "*" || fields[index] === each)) {
      return fields[4]
    }
  }
  return undefined
}

/** As in libpq, the default file is ignored when other users can read it. */
const readOptional = (file: string): string => {
  try {
    return readPrivate(file)
  } catch {
    return ""
  }
}

const readPrivate = (file: string): string => {
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

/** The file in which libpq looks for the certificates of authorities. */
const defaultRootFile = () => join(homedir(), ".postgresql", "root.crt")

/**
 * Reads the files that the settings name, and returns the options of encrypted connections, or `false` for unencrypted
 * ones. As in libpq, `require` verifies nothing unless there are certificates of authorities, `verify-ca` verifies the
 * authority of the certificate, and `verify-full` also its name, which must be that of one of the hosts. Throws
 * `ConnectionSettingRefused` when a file cannot be read, or when other users can read the key.
 */
export const readTlsOptions = ({
  hosts,
  ssl
}: Pick<ConnectionSettings, "hosts" | "ssl">): ConnectionOptions | false => {
  if (ssl.mode === "disable") return false
  const read = (setting: string, file: string): string => {
    try {
      return readFileSync(file, "utf8")
    } catch (error) {
      throw new ConnectionSettingRefused({
        problem: `${setting} names a file that cannot be read: ${error instanceof Error ? error.message : String(error)}`
      })
    }
  }
  if (ssl.key !== undefined && isSecretExposed(ssl.key)) {
    throw new ConnectionSettingRefused({ problem: "sslkey names a file that can be read by other users: chmod 600" })
  }
  const ca = rootOf(ssl.rootCertificate, read)
  if (ssl.mode === "verify-ca" && ca === undefined) {
    throw new ConnectionSettingRefused({
      problem:
        "sslmode=verify-ca needs sslrootcert, a file with the certificate of the authority; for the " +
        "authorities that Node trusts use verify-full"
    })
  }
  const isVerified = ssl.mode !== "require" || ca !== undefined
  const isNamed = ssl.mode === "verify-full"
  return {
    rejectUnauthorized: isVerified,
    ...(ca === undefined ? {} : { ca }),
    ...(ssl.certificate === undefined ? {} : { cert: read("sslcert", ssl.certificate) }),
    ...(ssl.key === undefined ? {} : { key: read("sslkey", ssl.key) }),
    ...(ssl.keyPassword === undefined ? {} : { passphrase: ssl.keyPassword }),
    ...(ssl.minVersion === undefined ? {} : { minVersion: ssl.minVersion }),
    ...(ssl.maxVersion === undefined ? {} : { maxVersion: ssl.maxVersion }),
    checkServerIdentity: (_name, certificate) => {
      if (!isNamed) return undefined
      const found = hosts.map(({ host }) => checkServerIdentity(host, certificate))
      return found.includes(undefined) ? undefined : found[0]
    }
  }
}

const rootOf = (given: string | undefined, read: (setting: string, file: string) => string): string | undefined => {
  if (given === "system") return undefined
  if (given !== undefined) return read("sslrootcert", given)
  try {
    return readFileSync(defaultRootFile(), "utf8")
  } catch {
    return undefined
  }
}
