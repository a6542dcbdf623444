import { Context, Data, Effect } from "effect"

/** An output stream cannot be written: its reader has gone, or its disk is full. */
export class OutputLost extends Data.TaggedError("OutputLost")<{ readonly problem: NodeJS.ErrnoException }> {
  /** Whether the reader has gone, which is normal: `backlog list | head`. */
  get isReaderGone(): boolean {
    return this.problem.code === "EPIPE" || this.problem.code === "ECONNRESET"
  }
}

/** An output stream: a terminal, a file or a pipe. */
export interface OutputStream {
  readonly write: (text: string) => void
  /** Waits until everything that was written is flushed. Fails if anything that was written is lost. */
  readonly drain: Effect.Effect<void, OutputLost>
  readonly isTerminal: boolean
  /** The current size of the terminal, in columns and rows. Meaningless for files and pipes. */
  readonly size: () => { readonly columns: number; readonly rows: number }
}

/** The parts of the process that the command line uses, so that tests can replace them. */
export class ProcessIO extends Context.Service<
  ProcessIO,
  {
    readonly env: Readonly<Record<string, string | undefined>>
    readonly stdin: AsyncIterable<Uint8Array>
    readonly stdout: OutputStream
    readonly stderr: OutputStream
    /** Sets how the program ends after an interrupt: how long it may take, in milliseconds, and its exit code. */
    readonly onInterrupt: (how: { readonly timeoutMillis: number; readonly exitCode: number }) => void
    /** Registers a callback for the end of the process. Returns a function that removes it. */
    readonly onExit: (run: () => void) => () => void
  }
>()("mosaic-backlog/cli/ProcessIO") {}

/** The streams, the environment and the exit hooks of this process. */
export const makeProcessIO = (onInterrupt: ProcessIO["Service"]["onInterrupt"]): ProcessIO["Service"] => {
  const callbacks = new Set<() => void>()
  process.once("exit", () => {
    for (const run of callbacks) run()
  })
  return {
    onInterrupt,
    onExit: (run) => {
      callbacks.add(run)
      return () => {
        callbacks.delete(run)
      }
    },
    env: process.env,
    // Opened on first read, because an open standard input can keep the process alive.
    stdin: { [Symbol.asyncIterator]: () => process.stdin[Symbol.asyncIterator]() as AsyncIterator<Uint8Array> },
    stdout: makeOutputStream(process.stdout),
    stderr: makeOutputStream(process.stderr)
  }
}

const makeOutputStream = (stream: NodeJS.WriteStream): OutputStream => {
  let unfinishedWrites = 0
  let lost: OutputLost | undefined
  const waiting = new Set<() => void>()
  // The callback of each write also receives its error.
  stream.on("error", () => {})
  return {
    write: (text) => {
      unfinishedWrites++
      stream.write(text, (error) => {
        unfinishedWrites--
        if (error instanceof Error) lost ??= new OutputLost({ problem: error })
        if (unfinishedWrites > 0) return
        for (const resume of waiting) resume()
        waiting.clear()
      })
    },
    drain: Effect.callback<void, OutputLost>((resume) => {
      const onFlush = (): void => resume(lost === undefined ? Effect.void : Effect.fail(lost))
      if (unfinishedWrites === 0) return onFlush()
      waiting.add(onFlush)
      return Effect.sync(() => waiting.delete(onFlush))
    }),
    isTerminal: stream.isTTY,
    size: () => ({ columns: stream.columns ?? 80, rows: stream.rows ?? 24 })
  }
}
