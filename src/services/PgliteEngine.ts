import type { PGlite } from "@electric-sql/pglite"

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
export class PgliteEngine {
  /** Set when the engine broke down; it must not be touched after that. */
  private crash: Error | undefined
  private readonly pglite: PGlite

  private constructor(pglite: PGlite) {
    this.pglite = pglite
    this.watch()
  }

  /** Starts PGlite over the directory (creating the database if it is empty), or in memory. */
  static async open(directory: string | undefined): Promise<PgliteEngine> {
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
      return new PgliteEngine(pglite)
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
