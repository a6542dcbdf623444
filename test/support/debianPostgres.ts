import { execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, readFileSync } from "node:fs"
import { chown, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { promisify } from "node:util"
import { freePort } from "./postgresServer.ts"

const versions = ["18", "17", "16", "15"]

/** The folder of the newest Postgres that Debian packages installed; `undefined` where there is none. */
export const installedPostgres: string | undefined = versions
  .map((version) => `/usr/lib/postgresql/${version}/bin`)
  .find((folder) => existsSync(join(folder, "pg_dump")) && existsSync(join(folder, "initdb")))

/** Postgres does not run as root. */
const serverUser = (): { readonly uid: number; readonly gid: number } | undefined => {
  if (process.getuid?.() !== 0) return undefined
  const [, uid, gid] = /^postgres:[^:]*:(\d+):(\d+):/m.exec(readFileSync("/etc/passwd", "utf8")) ?? []
  return { uid: Number(uid ?? 65_534), gid: Number(gid ?? 65_534) }
}

/** Starts a server of an installed Postgres on the loopback interface. Returns its URL and a function that stops it. */
export const startInstalledPostgres = async (
  programs: string
): Promise<{ readonly url: string; readonly stop: () => Promise<void> }> => {
  const user = serverUser()
  const directory = await mkdtemp(join(tmpdir(), "backlog-postgres-"))
  if (user !== undefined) await chown(directory, user.uid, user.gid)
  const data = join(directory, "data")
  const flags = ["-D", data, "-U", "postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C"]
  await promisify(execFile)(join(programs, "initdb"), flags, { ...user, cwd: directory })
  const port = await freePort()
  const settings = { listen_addresses: "127.0.0.1", port, unix_socket_directories: "" }
  const options = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])
  const server = spawn(join(programs, "postgres"), ["-D", data, ...options], {
    ...user,
    cwd: directory,
    stdio: ["ignore", "ignore", "pipe"]
  })
  const kill = (): void => void server.kill("SIGQUIT")
  process.once("exit", kill)
  for await (const line of createInterface(server.stderr)) {
    if (line.includes("database system is ready to accept connections")) break
  }
  server.stderr.resume()
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    stop: async () => {
      process.off("exit", kill)
      if (server.exitCode === null && server.signalCode === null) {
        const ended = once(server, "exit")
        server.kill("SIGINT")
        await ended
      }
      await rm(directory, { recursive: true, force: true })
    }
  }
}
