import type { PGlite, PGliteOptions } from "@electric-sql/pglite"
import { fileErrorCode, errorMessage } from "../files/fileErrors.ts"
import { type DirectoryOwnership } from "./DirectoryOwnership.ts"
import { DirectoryLost } from "../files/directoryErrors.ts"
import { createPrivateFolder, withoutOtherUsers } from "../files/privateFiles.ts"

/** The parts of PGlite's WebAssembly module that matter when it crashes. */
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

/** With this status Postgres leaves a statement for its own error handler; every other exception is a crash. */
const statementFailed = 100

/** A running PGlite. Takes whole messages of the wire protocol and answers with the server's. */
export class PgliteEngine {
  /** Set when the engine broke down; it must not be touched after that. */
  private crash: Error | undefined
  private readonly pglite: PGlite
  private readonly owner: DirectoryOwnership | undefined

  private constructor(pglite: PGlite, owner: DirectoryOwnership | undefined) {
    this.pglite = pglite
    this.owner = owner
    this.watch()
  }

  /**
   * Starts PGlite over the directory (creating the database if it is empty), or in memory. Writes only while `owner` finds
   * that it still holds the directory around it: that is checked before every transaction, and before files are
   * opened, changed or removed. After a loss, all calls fail with `DirectoryLost`.
   */
  static async open(directory: string | undefined, owner?: DirectoryOwnership): Promise<PgliteEngine> {
    // Loaded here, so that users of a server never load it.
    const { PGlite } = await import("@electric-sql/pglite")
    const { exitCode } = process
    const log: Array<string> = []
    try {
      const pglite = await PGlite.create({
        ...(directory === undefined ? {} : await storage(directory, owner)),
        onStderr: (line) => {
          log.push(line)
          if (log.length > 20) log.shift()
          return false
        }
      })
      return new PgliteEngine(pglite, owner)
    } catch (cause) {
      // A Postgres that gives up sets the exit code of the whole process.
      process.exitCode = exitCode
      if (cause instanceof DirectoryLost) throw cause
      const serious = log.findLast((line) => /\b(?:ERROR|FATAL|PANIC):/.test(line))
      throw new Error(serious ?? errorMessage(cause), { cause })
    }
  }

  /** Takes messages, `isWithin` a transaction that is open; there a check that is 20 ms old at most is enough. */
  async run(messages: Uint8Array, isWithin = false): Promise<Buffer> {
    this.check(isWithin)
    const answer: Array<Uint8Array> = []
    // Not execProtocolRaw: that parses every answer once more and keeps it until PGlite is closed.
    await this.pglite.execProtocolRawStream(messages, {
      // The bytes are a view of memory that Postgres uses again.
      onRawData: (bytes) => {
        answer.push(bytes.slice())
      }
    })
    // What took long may have been answered for a directory that was lost meanwhile.
    this.check(true)
    return Buffer.concat(answer)
  }

  /** Throws when the engine broke down, or its directory was lost, and from then on always. */
  check(isRecentEnough = false): void {
    if (this.crash !== undefined) throw this.crash
    try {
      if (isRecentEnough) this.owner?.checkIfStale()
      else this.owner?.check()
    } catch (error) {
      this.crash = error as Error
      throw error
    }
  }

  /** Closes the database; gives up without writing when the engine broke down or the directory was lost. */
  async close(): Promise<void> {
    try {
      this.check()
    } catch {
      // After a crash nothing in its memory can be trusted: the log on disk can, and the next opening replays it.
      return (this.pglite.Module as unknown as Module).FS.quit()
    }
    await this.pglite.close()
    if (this.crash !== undefined) throw this.crash
  }

  /**
   * PGlite swallows exceptions other than statement errors and goes on with the broken state, answering nonsense or
   * looping forever. They do happen: JSON nested some ten thousand deep exhausts the stack, and a session that Postgres
   * gives up takes the whole of it along. From then on, every call fails instead.
   */
  private watch(): void {
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

/** Operations of the engine's file system that work by a path, or change a file. */
const byPath = {
  node_ops: ["setattr", "mknod", "rename", "unlink", "rmdir", "symlink"],
  stream_ops: ["open"]
} as const
const byHandle = ["write", "setattr", "msync"]

/** Where PGlite keeps its files: for this user only, whatever modes Postgres asks for and whatever the umask is. */
const storage = async (directory: string, owner: DirectoryOwnership | undefined): Promise<PGliteOptions> => {
  const { NodeFS } = await import("@electric-sql/pglite/nodefs")
  class OwnedFiles extends NodeFS {
    override async init(...parameters: Parameters<InstanceType<typeof NodeFS>["init"]>) {
      const { emscriptenOpts } = await super.init(...parameters)
      const wrap = (module: unknown) => {
        const { node_ops, stream_ops } = (module as Module).NODEFS
        keepPrivate(node_ops, stream_ops)
        if (owner === undefined) return
        const { check, checkIfStale } = owner
        for (const name of byPath.node_ops) guard(node_ops, name, check)
        for (const name of byPath.stream_ops) guard(stream_ops, name, check)
        // A file that is open is the directory's own wherever it went, but it may have another owner by now.
        for (const name of byHandle) guard(stream_ops, name, checkIfStale)
      }
      return { emscriptenOpts: { ...emscriptenOpts, preRun: [wrap, ...(emscriptenOpts.preRun ?? [])] } }
    }
  }
  // NodeFS would create it as the umask says.
  await createPrivateFolder(directory).catch((error: unknown) => {
    if (fileErrorCode(error) !== "EEXIST") throw error
  })
  return { fs: new OwnedFiles(directory) }
}

type Operations = Record<string, (...parameters: Array<unknown>) => unknown>

/**
 * Postgres asks for the mode 0666 and relies on its umask, which WebAssembly does not have; the process's own umask belongs to
 * the program around this one.
 */
const keepPrivate = (node_ops: Operations, stream_ops: Operations): void => {
  const { mknod, setattr } = node_ops
  const setStreamAttributes = stream_ops["setattr"]
  if (!mknod || !setattr || !setStreamAttributes) throw new Error("PGlite's file system is another one")
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

/** What `check` throws goes through Postgres as a crash does, so that nothing runs after it. */
const guard = (
  operations: Record<string, (...parameters: Array<unknown>) => unknown>,
  name: string,
  check: () => void
): void => {
  const operation = operations[name]
  if (operation === undefined) return
  operations[name] = (...parameters) => {
    check()
    return operation(...parameters)
  }
}
