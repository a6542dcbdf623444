import type { PGlite, PGliteOptions } from "@electric-sql/pglite"
import { Effect } from "effect"
import { fileErrorCode, errorMessage } from "../files/fileErrors.ts"
import { type DirectoryOwnership } from "./DirectoryOwnership.ts"
import { DirectoryLost } from "../files/directoryErrors.ts"
import type { DatabaseFiles } from "./databaseFiles.ts"
import { createPrivateFolder, privateFolderMode, withoutOtherUsers } from "../files/privateFiles.ts"

/** The parts of PGlite's WebAssembly module that are used here. PGlite does not declare them. */
interface Module {
  _PostgresMainLoopOnce: () => void
  _PostgresSendReadyForQueryIfNecessary: () => void
  _pgl_pq_flush: () => void
  stackRestore: (pointer: number) => void
  readonly FS: { readonly quit: () => void }
  readonly NODEFS: Readonly<
    Record<"node_ops" | "stream_ops", Record<string, (...parameters: Array<unknown>) => unknown>>
  >
}

/** The status of an exception with which Postgres enters its error handler. Every other exception is a crash. */
const statementFailed = 100

/**
 * A start fills the shared buffers with zeros: the default of 128 MB costs it 0.5 seconds, and every process 128 MB of
 * memory.
 */
const startParameters = ["-c", "shared_buffers=16MB"]

/** A running PGlite. It runs whole messages of the wire protocol, and returns the server's answers. */
export class PgliteEngine {
  /** The error of a crash. After it, the engine must not be used. */
  private crash: Error | undefined
  private readonly pglite: PGlite
  private readonly ownership: DirectoryOwnership | undefined

  private constructor(pglite: PGlite, ownership: DirectoryOwnership | undefined) {
    this.pglite = pglite
    this.ownership = ownership
    this.detectCrashes()
  }

  /**
   * Starts PGlite in a directory, where it creates a database with `initdb` if there is none. `ownership` is checked
   * before every transaction, and before a file is opened, changed or removed. When the ownership is lost, the engine
   * writes nothing more, and every call fails with `DirectoryLost`.
   */
  static async open(directory: string, ownership: DirectoryOwnership): Promise<PgliteEngine> {
    return PgliteEngine.start(await openFileSystem(directory, ownership), ownership)
  }

  /**
   * Starts PGlite in memory, with the files of a database, whose bytes it changes, or else with a database that `initdb`
   * creates. `onClosed` receives the files of the database that was closed.
   */
  static async openInMemory(
    files: DatabaseFiles | undefined,
    onClosed?: (files: DatabaseFiles) => void
  ): Promise<PgliteEngine> {
    return PgliteEngine.start(await openMemory(files, onClosed), undefined)
  }

  private static async start(options: PGliteOptions, ownership: DirectoryOwnership | undefined): Promise<PgliteEngine> {
    // Imported here, so that programs that use a server do not load it.
    const { PGlite } = await import("@electric-sql/pglite")
    const { exitCode } = process
    const log: Array<string> = []
    try {
      const pglite = await PGlite.create({
        ...options,
        startParams: [...PGlite.defaultStartParams, ...startParameters],
        onStderr: (line) => {
          log.push(line)
          if (log.length > 20) log.shift()
          return false
        }
      })
      return new PgliteEngine(pglite, ownership)
    } catch (cause) {
      // When it does not start, Postgres sets the exit code of the whole process.
      process.exitCode = exitCode
      if (cause instanceof DirectoryLost) throw cause
      const reported = log.findLast((line) => /\b(?:ERROR|FATAL|PANIC):/.test(line))
      throw new Error(reported ?? errorMessage(cause), { cause })
    }
  }

  /** Runs messages. Within a transaction, a check that is at most 20 ms old is sufficient. */
  async run(messages: Uint8Array, isWithinTransaction = false): Promise<Buffer> {
    this.check(isWithinTransaction)
    const answer: Array<Uint8Array> = []
    // Not execProtocolRaw, which parses every answer again and keeps it until PGlite is closed.
    await this.pglite.execProtocolRawStream(messages, {
      // The bytes are a view of memory that Postgres reuses.
      onRawData: (bytes) => {
        answer.push(bytes.slice())
      }
    })
    // The directory may have been lost while the messages ran.
    this.check(true)
    return Buffer.concat(answer)
  }

  /** Throws when the engine has crashed or its directory is lost. After that, every check throws. */
  check(onlyIfStale = false): void {
    if (this.crash !== undefined) throw this.crash
    try {
      if (onlyIfStale) this.ownership?.checkIfStale()
      else this.ownership?.check()
    } catch (error) {
      this.crash = error as Error
      throw error
    }
  }

  /** Closes the database. Writes nothing when the engine has crashed or the directory is lost. */
  async close(): Promise<void> {
    try {
      this.check()
    } catch {
      // After a crash its memory may be wrong. The log on disk is right, and is replayed at the next start.
      return (this.pglite.Module as unknown as Module).FS.quit()
    }
    await this.pglite.close()
    if (this.crash !== undefined) throw this.crash
  }

  /**
   * Makes every call fail after a crash. PGlite itself ignores exceptions other than statement errors, and continues
   * with a broken state: it returns wrong answers or loops forever. Such exceptions happen: JSON that is nested ten
   * thousand levels deep exhausts the stack, and when Postgres ends a session, the whole engine ends.
   */
  private detectCrashes(): void {
    const module = this.pglite.Module as unknown as Module
    const step = module._PostgresMainLoopOnce
    module._PostgresMainLoopOnce = () => {
      const { exitCode } = process
      try {
        step()
      } catch (cause) {
        if ((cause as { readonly status?: unknown } | null)?.status !== statementFailed) {
          process.exitCode = exitCode
          const crash =
            cause instanceof DirectoryLost
              ? cause
              : new Error("the embedded Postgres crashed; open the backlog again", { cause })
          this.crash = crash
          // PGlite calls this next, where it catches no exception, and then the other two.
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

/** Operations of the engine's file system that resolve a path. */
const pathOperations = {
  node_ops: ["setattr", "mknod", "rename", "unlink", "rmdir", "symlink"],
  stream_ops: ["open"]
} as const

/** Operations that change an open file. */
const writeOperations = ["write", "setattr", "msync"]

/**
 * The file system of a directory: files are for this user only, whatever modes Postgres requests and whatever the umask
 * is.
 */
const openFileSystem = async (directory: string, ownership: DirectoryOwnership): Promise<PGliteOptions> => {
  const { NodeFS } = await import("@electric-sql/pglite/nodefs")
  class PrivateFiles extends NodeFS {
    override async init(...parameters: Parameters<InstanceType<typeof NodeFS>["init"]>) {
      const { emscriptenOpts } = await super.init(...parameters)
      const wrap = (module: unknown) => {
        const { node_ops, stream_ops } = (module as Module).NODEFS
        createPrivately(node_ops, stream_ops)
        const { check, checkIfStale } = ownership
        for (const name of pathOperations.node_ops) checkBefore(node_ops, name, check)
        for (const name of pathOperations.stream_ops) checkBefore(stream_ops, name, check)
        // An open file stays the same wherever the directory was moved, but another process may own the directory.
        for (const name of writeOperations) checkBefore(stream_ops, name, checkIfStale)
      }
      return { emscriptenOpts: { ...emscriptenOpts, preRun: [wrap, ...(emscriptenOpts.preRun ?? [])] } }
    }
  }
  // NodeFS would create it with the mode of the umask.
  await createPrivateFolder(directory).catch((error: unknown) => {
    if (fileErrorCode(error) !== "EEXIST") throw error
  })
  return { fs: new PrivateFiles(directory) }
}

/** The file system of a database in memory. */
const openMemory = async (
  files: DatabaseFiles | undefined,
  onClosed: ((files: DatabaseFiles) => void) | undefined
): Promise<PGliteOptions> => {
  if (files === undefined && onClosed === undefined) return {}
  const { MemoryFS, PGlite } = await import("@electric-sql/pglite")
  const root = PGlite.paths.PGDATA
  class CopiedFiles extends MemoryFS {
    override async initialSyncFs() {
      if (files === undefined || this.pg === undefined) return
      const { FS } = this.pg.Module
      FS.mkdirTree(root, privateFolderMode)
      for (const name of files.folders) FS.mkdir(`${root}/${name}`, privateFolderMode)
      // The engine copies the bytes of a file that it does not own piece by piece.
      for (const [name, bytes] of files.files) FS.writeFile(`${root}/${name}`, bytes, { canOwn: true })
    }
    override async closeFs() {
      if (this.pg !== undefined) onClosed?.(readMemory(this.pg.Module.FS, root))
      return super.closeFs()
    }
  }
  return { fs: new CopiedFiles() }
}

const readMemory = (FS: PGlite["Module"]["FS"], root: string): DatabaseFiles => {
  const folders: Array<string> = []
  const files = new Map<string, Uint8Array>()
  const readFolder = (prefix: string): void => {
    for (const name of FS.readdir(`${root}/${prefix}`)) {
      if (name === "." || name === "..") continue
      const path = `${prefix}${name}`
      if (FS.isDir(FS.stat(`${root}/${path}`).mode)) {
        folders.push(path)
        readFolder(`${path}/`)
      } else files.set(path, FS.readFile(`${root}/${path}`))
    }
  }
  readFolder("")
  return { folders, files }
}

type Operations = Record<string, (...parameters: Array<unknown>) => unknown>

/**
 * Removes the rights of other users from the modes of new files. Postgres requests the mode 0666 and relies on its
 * umask, which WebAssembly does not have. The umask of the process belongs to the program that uses this library.
 */
const createPrivately = (node_ops: Operations, stream_ops: Operations): void => {
  const { mknod, setattr } = node_ops
  const setStreamAttributes = stream_ops["setattr"]
  if (!mknod || !setattr || !setStreamAttributes)
    throw new Error("PGlite's file system has other operations: use the version in package.json")
  node_ops["mknod"] = (parent, name, mode, device) => {
    const node = mknod(parent, name, withoutOtherUsers(mode as number), device) as { readonly mode: number }
    // The umask may have removed the owner's own rights.
    setattr(node, { mode: node.mode })
    return node
  }
  node_ops["setattr"] = (node, attributes) => setattr(node, withPrivateMode(attributes))
  stream_ops["setattr"] = (stream, attributes) => setStreamAttributes(stream, withPrivateMode(attributes))
}

const withPrivateMode = (attributes: unknown): unknown => {
  const { mode } = attributes as { readonly mode?: number | null }
  return mode === undefined || mode === null ? attributes : { ...(attributes as object), mode: withoutOtherUsers(mode) }
}

/**
 * Calls `check` before an operation. An exception of `check` passes through Postgres like a crash, so nothing runs
 * after it.
 */
const checkBefore = (operations: Operations, name: string, check: () => void): void => {
  const operation = operations[name]
  if (operation === undefined) return
  operations[name] = (...parameters) => {
    check()
    return operation(...parameters)
  }
}

/** Closes an engine. A failure is logged only. */
export const closeEngine = (engine: PgliteEngine): Effect.Effect<void> =>
  Effect.tryPromise(() => engine.close()).pipe(
    Effect.catch((error) =>
      Effect.annotateLogs(Effect.logWarning("PGlite did not close cleanly; no acknowledged transaction is lost."), {
        error
      })
    )
  )
