import type { PGlite } from "@electric-sql/pglite"
import { PgClient } from "@effect/sql-pg"
import { type Duration, Effect, type Layer, type Scope } from "effect"
import { type SqlClient, SqlError } from "effect/sql"
import { randomUUID } from "node:crypto"
import { access, constants, mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises"
import { dirname, join, resolve } from "node:path"
import { Duplex } from "node:stream"
import { type DirectoryLocked, DirectoryUnusable, holdDirectory, lockName, reasonOf } from "./DirectoryLock.ts"

/**
 * An embedded Postgres, in memory, or in the directory `dataDir`, which is made if it is missing and which one process
 * at a time may use: it waits up to `lockWait` (10 seconds unless told otherwise) for another.
 *
 * Creating a database takes some seconds, opening one half a second. A process that is killed at any moment leaves a
 * directory that the next one can open, with every transaction that was answered; a power failure may cost more, since
 * PGlite never asks the disk to write. There is one session, in which transactions and single statements take turns.
 *
 * Fails with `DirectoryLocked` when another process holds the directory, with `DirectoryUnusable` when it holds
 * something else, a database of another version or a damaged one, or cannot be written, and with `SqlError` when the
 * engine does not start. When the engine crashes later, the statement at hand and all after it fail with a connection
 * error, and the layer has to be built anew. Closing the layer writes everything and then lets go of the directory.
 */
export const layerPgliteClient = (
  options: {
    readonly dataDir?: string | undefined
    readonly lockWait?: Duration.Input | undefined
  } = {}
): Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, DirectoryLocked | DirectoryUnusable | SqlError.SqlError> =>
  PgClient.layerFrom(
    Effect.gen(function* () {
      const engine = yield* options.dataDir === undefined ? inMemory : inDirectory(options.dataDir, options.lockWait)
      return yield* PgClient.makeClient({
        stream: () => new Session(engine),
        username: "postgres",
        database: "postgres",
        // Nothing can get lost on the way; a process that is busy elsewhere only takes longer.
        connectTimeout: "5 minutes"
      })
    })
  )

/** What `PG_VERSION` says in a directory that this version of PGlite can open. */
const postgresMajor = "18"

/** The database's own directory inside a backlog directory, and what it is called until it is complete. */
const databaseName = "pgdata"
const unfinishedPrefix = "pgdata.creating-"

const inMemory: Effect.Effect<Engine, SqlError.SqlError, Scope.Scope> = Effect.acquireRelease(
  Effect.tryPromise({
    try: () => Engine.open(undefined),
    catch: (cause) =>
      new SqlError.SqlError({
        reason: new SqlError.ConnectionError({ cause, message: "PGlite does not start", operation: "connect" })
      })
  }),
  (engine) => close(engine)
)

const inDirectory = Effect.fnUntraced(function* (
  dataDir: string,
  wait: Duration.Input | undefined
): Effect.fn.Return<Engine, DirectoryLocked | DirectoryUnusable, Scope.Scope> {
  const directory = resolve(dataDir)
  const attempt = <A>(run: () => Promise<A>): Effect.Effect<A, DirectoryUnusable> =>
    Effect.tryPromise({
      try: run,
      catch: (cause) =>
        cause instanceof DirectoryUnusable ? cause : new DirectoryUnusable({ directory, reason: reasonOf(cause) })
    })

  // Looked at before the lock puts a file there.
  yield* attempt(() => refuseForeign(directory))
  yield* attempt(() => makeDirectory(directory))
  yield* holdDirectory(directory, { wait })
  // Not interruptible: the lock must not be let go while PGlite is at work in the directory.
  yield* Effect.uninterruptible(attempt(() => createDatabase(directory)))
  return yield* Effect.acquireRelease(
    attempt(() => openDatabase(directory)),
    (engine) => close(engine)
  )
})

const close = (engine: Engine): Effect.Effect<void> =>
  Effect.tryPromise(() => engine.close()).pipe(
    Effect.catch((error) => Effect.logWarning("PGlite did not close cleanly; nothing answered is lost.", error))
  )

const refuseForeign = async (directory: string): Promise<void> => {
  let names: ReadonlyArray<string>
  try {
    names = await readdir(directory)
  } catch (error) {
    if (codeOf(error) === "ENOENT") return
    throw error
  }
  const ours = (name: string) => name === databaseName || name.startsWith(unfinishedPrefix) || name.startsWith(lockName)
  if (names.length > 0 && !names.some(ours)) {
    throw new DirectoryUnusable({
      directory,
      reason:
        "it holds other files and is not a backlog directory. Choose an empty directory, or one that does not exist."
    })
  }
}

/** With the directories above it. Not mkdir's own way to do that: in Node 20 it does not return for a path in /proc. */
const makeDirectory = async (directory: string): Promise<void> => {
  try {
    await mkdir(directory)
  } catch (error) {
    const code = codeOf(error)
    if (code === "ENOENT" && dirname(directory) !== directory) {
      await makeDirectory(dirname(directory))
      // Gone again, or not to be made: an error now. Made by another process meanwhile: fine.
      await mkdir(directory).catch((again: unknown) => {
        if (codeOf(again) !== "EEXIST") throw again
      })
    } else if (code !== "EEXIST" || !(await stat(directory)).isDirectory()) throw error
  }
}

const codeOf = (error: unknown): unknown => (error as NodeJS.ErrnoException | null)?.code

/** Sees to it that there is a complete database. Only the holder of the lock may call this. */
const createDatabase = async (directory: string): Promise<void> => {
  const names = await readdir(directory)
  for (const name of names) {
    if (name.startsWith(unfinishedPrefix)) await rm(join(directory, name), { recursive: true, force: true })
  }
  if (names.includes(databaseName)) return
  // Renamed when complete: whatever carries the final name is a whole database, even if this process is killed.
  const unfinished = join(directory, `${unfinishedPrefix}${randomUUID()}`)
  try {
    const engine = await Engine.open(unfinished)
    await engine.close()
    await rename(unfinished, join(directory, databaseName))
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true }).catch(() => undefined)
    throw error
  }
}

const openDatabase = async (directory: string): Promise<Engine> => {
  const database = join(directory, databaseName)
  const refuse = (reason: string) => new DirectoryUnusable({ directory, reason })

  const version = await readFile(join(database, "PG_VERSION"), "utf8").catch(() => {
    throw refuse(`${database} is not a database. Restore it from a backup, or choose another directory.`)
  })
  if (version.trim() !== postgresMajor) {
    throw refuse(
      `${database} is of Postgres ${version.trim()}, and this program reads ${postgresMajor}. ` +
        "Open it with the program that made it, export the backlog there, and import it into a new directory."
    )
  }
  await access(database, constants.R_OK | constants.W_OK | constants.X_OK)
  try {
    return await Engine.open(database)
  } catch (error) {
    throw refuse(
      `the database in ${database} does not open, and may be damaged. Restore it from a backup. ` +
        `PGlite says: ${error instanceof Error ? error.message : String(error)}`
    )
  }
}

/** The parts of PGlite's WebAssembly module that matter when it crashes. */
interface Module {
  _PostgresMainLoopOnce: () => void
  _PostgresSendReadyForQueryIfNecessary: () => void
  _pgl_pq_flush: () => void
  stackRestore: (pointer: number) => void
  readonly FS: { readonly quit: () => void }
}

/** With this status Postgres leaves a statement for its own error handler; every other exception is a crash. */
const statementFailed = 100

/** A running PGlite. Takes whole messages of the wire protocol and answers with the server's. */
class Engine {
  /** Set when the engine broke down; it must not be touched after that. */
  private crash: Error | undefined
  private readonly pglite: PGlite

  private constructor(pglite: PGlite) {
    this.pglite = pglite
    this.watch()
  }

  /** Starts PGlite over the directory (creating the database if it is empty), or in memory. */
  static async open(directory: string | undefined): Promise<Engine> {
    // Loaded here, so that users of a server never load it.
    const { PGlite } = await import("@electric-sql/pglite")
    const { exitCode } = process
    const log: Array<string> = []
    try {
      const pglite = await PGlite.create({
        ...(directory === undefined ? {} : { dataDir: directory }),
        onStderr: (line) => {
          log.push(line)
          if (log.length > 20) log.shift()
          return false
        }
      })
      return new Engine(pglite)
    } catch (cause) {
      // A Postgres that gives up sets the exit code of the whole process.
      process.exitCode = exitCode
      const serious = log.findLast((line) => /\b(?:ERROR|FATAL|PANIC):/.test(line))
      throw new Error(serious ?? (cause instanceof Error ? cause.message : String(cause)), { cause })
    }
  }

  async run(messages: Uint8Array): Promise<Buffer> {
    if (this.crash !== undefined) throw this.crash
    const answer: Array<Uint8Array> = []
    // Not execProtocolRaw: that parses every answer once more and keeps it until PGlite is closed.
    await this.pglite.execProtocolRawStream(messages, {
      // The bytes are a view of memory that Postgres uses again.
      onRawData: (bytes) => {
        answer.push(bytes.slice())
      }
    })
    return Buffer.concat(answer)
  }

  async close(): Promise<void> {
    // After a crash nothing in its memory can be trusted: the log on disk can, and the next opening replays it.
    if (this.crash === undefined) await this.pglite.close()
    else (this.pglite.Module as unknown as Module).FS.quit()
  }

  /**
   * PGlite swallows exceptions other than statement errors and goes on with the broken state, answering nonsense or
   * looping forever. They do happen: JSON nested some ten thousand deep exhausts the stack. From then on, every call
   * fails instead.
   */
  private watch(): void {
    const module = this.pglite.Module as unknown as Module
    const step = module._PostgresMainLoopOnce
    module._PostgresMainLoopOnce = () => {
      try {
        step()
      } catch (cause) {
        if ((cause as { readonly status?: unknown } | null)?.status !== statementFailed) {
          const crash = new Error("the embedded Postgres crashed; open the backlog again", { cause })
          this.crash = crash
          // PGlite calls this next, outside of what it catches, and then the other two.
          module.stackRestore = () => {
            throw crash
          }
          module._PostgresSendReadyForQueryIfNecessary = () => undefined
          module._pgl_pq_flush = () => undefined
        }
        throw cause
      }
    }
  }
}

const cancelRequestCode = 80877102

/** The client's connection: bytes of the wire protocol in, the engine's answers out. */
class Session extends Duplex {
  private readonly engine: Engine
  private started = false
  private pending: Buffer = Buffer.alloc(0)

  constructor(engine: Engine) {
    super()
    this.engine = engine
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.pending = this.pending.length === 0 ? chunk : Buffer.concat([this.pending, chunk])
    const length = this.wholeMessages()
    if (length === 0) return done()
    const messages = this.pending.subarray(0, length)
    this.pending = this.pending.subarray(length)
    if (!this.started && messages.readUInt32BE(4) === cancelRequestCode) {
      // Statements run to their end before anybody can ask to cancel them.
      this.push(null)
      return done()
    }
    this.started = true
    this.engine.run(messages).then(
      (answer) => {
        if (answer.length > 0) this.push(answer)
        done()
      },
      (error: unknown) => done(error instanceof Error ? error : new Error(String(error)))
    )
  }

  override _final(done: (error?: Error | null) => void): void {
    this.push(null)
    done()
  }

  /** The length of the whole messages that have arrived: PGlite takes a part of one for the end of the connection. */
  private wholeMessages(): number {
    // A type byte stands before the length, except in the first message.
    let end = 0
    let type = this.started ? 1 : 0
    while (end + type + 4 <= this.pending.length) {
      const next = end + type + this.pending.readUInt32BE(end + type)
      if (next > this.pending.length) break
      end = next
      type = 1
    }
    return end
  }
}
