import { execFile } from "node:child_process"
import { once } from "node:events"
import { chown, mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"
import { freePort, run, waitForOutput, serverUser } from "./postgres.mjs"

const userName = "postgres"

/** Where Debian installs it, which is not on every PATH. */
const usualPlaces = ["pgbouncer", "/usr/sbin/pgbouncer"]

/** A PgBouncer as `{ program, version }`: the named one, else the first of the usual ones, else none. */
export const findPgbouncer = async (program) => {
  for (const one of program === undefined ? usualPlaces : [program]) {
    const found = await promisify(execFile)(one, ["--version"]).catch(() => undefined)
    if (found !== undefined) return { program: one, version: found.stdout.split("\n")[0].replace(/^PgBouncer /, "") }
  }
  return undefined
}

/** Since 1.21 it supports clients' prepared statements on any server connection. */
export const supportsPreparedStatements = ({ version }) => {
  const [major, minor] = version.split(".").map(Number)
  return major > 1 || minor >= 21
}

/**
 * Starts a PgBouncer in front of a server, and returns its URL and how to stop it. Other settings have their defaults.
 */
export const startPgbouncer = async ({ program }, directory, server, more) => {
  const { password } = new URL(server.url)
  const place = join(directory, `pgbouncer-${String(await freePort())}`)
  const port = await freePort()
  const users = join(place, "users.txt")
  const configuration = join(place, "pgbouncer.ini")
  const settings = {
    listen_addr: "127.0.0.1",
    listen_port: port,
    unix_socket_dir: "",
    auth_type: "scram-sha-256",
    auth_file: users,
    max_client_conn: 500,
    ...more
  }
  await mkdir(place)
  await writeFile(users, `"${userName}" "${password}"\n`)
  await writeFile(
    configuration,
    [
      "[databases]",
      `postgres = host=127.0.0.1 port=${server.port} dbname=postgres`,
      "[pgbouncer]",
      ...Object.entries(settings).map(([name, value]) => `${name} = ${value}`),
      ""
    ].join("\n")
  )
  const user = serverUser()
  if (user !== undefined) for (const file of [place, users, configuration]) await chown(file, user.uid, user.gid)
  const pooler = run(program, [configuration], user)
  const kill = () => pooler.kill("SIGQUIT")
  process.prependOnceListener("exit", kill)
  await waitForOutput(pooler, "process up")
  return {
    url: `postgres://${userName}:${password}@127.0.0.1:${port}/postgres`,
    stop: async () => {
      const ended = once(pooler, "exit")
      kill()
      await ended
      process.off("exit", kill)
    }
  }
}
