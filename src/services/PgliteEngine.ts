import type { PGlite, PGliteOptions } from "@electric-sql/pglite"
import { messageOf } from "./fileErrors.ts"
import { DirectoryLost, type HeldDirectory } from "./HeldDirectory.ts"

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
  private readonly owner: HeldDirectory | undefined

  private constructor(pglite: PGlite, owner: HeldDirectory | undefined) {
    this.pglite = pglite
    this.owner = owner
    this.watch()
  }

  /**
   * Starts PGlite over the directory (creating the database if it is empty), or in memory. Writes only while `owner` finds
   * that it still holds the directory around it: that is checked before every transaction, and before files are
   * opened, changed or removed. After a loss, all calls fail with `DirectoryLost`.
   */
  static async open(directory: string | undefined, owner?: HeldDirectory): Promise<PgliteEngine> {
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
      throw new Error(serious ?? messageOf(cause), { cause })
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
      if (isRecentEnough) this.owner?.checkOften()
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

/** Where PGlite keeps its files. */
const storage = async (directory: string, owner: HeldDirectory | undefined): Promise<PGliteOptions> => {
  if (owner === undefined) return { dataDir: directory }
  const { check, checkOften } = owner
  const { NodeFS } = await import("@electric-sql/pglite/nodefs")
  class OwnedFiles extends NodeFS {
    override async init(...parameters: Parameters<InstanceType<typeof NodeFS>["init"]>) {
      const { emscriptenOpts } = await super.init(...parameters)
      const guardAll = (module: unknown) => {
        const { node_ops, stream_ops } = (module as Module).NODEFS
        for (const name of byPath.node_ops) guard(node_ops, name, check)
        for (const name of byPath.stream_ops) guard(stream_ops, name, check)
        // A file that is open is the directory's own wherever it went, but it may have another owner by now.
        for (const name of byHandle) guard(stream_ops, name, checkOften)
      }
      return { emscriptenOpts: { ...emscriptenOpts, preRun: [guardAll, ...(emscriptenOpts.preRun ?? [])] } }
    }
  }
  return { fs: new OwnedFiles(directory) }
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
