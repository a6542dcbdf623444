import { Context, Effect } from "effect"

/** Where text goes: a terminal, a file, a pipe. */
export interface OutputStream {
  readonly write: (text: string) => void
  /** Waits until what was written is on its way, or nobody takes it any more. */
  readonly drain: Effect.Effect<void>
  readonly isTerminal: boolean
  /** How many columns a line has, and how many lines are shown, as it is now; of use on a terminal only. */
  readonly size: () => { readonly columns: number; readonly rows: number }
}

/** What the command line has of the process around it, so that tests can put something else in its place. */
export class ProcessIO extends Context.Service<
  ProcessIO,
  {
    readonly env: Readonly<Record<string, string | undefined>>
    readonly stdin: AsyncIterable<Uint8Array>
    readonly stdout: OutputStream
    readonly stderr: OutputStream
    /** Says that an interrupt is how this program ends, how long that may take, and the exit code then. */
    readonly onInterrupt: (how: { readonly timeoutMillis: number; readonly exitCode: number }) => void
    /** Does something when the process ends, however it does, unless what this answers is called before. */
    readonly onExit: (run: () => void) => () => void
  }
>()("mosaic-backlog/cli/Host") {}

/** This process. */
export const makeProcessIO = (onInterrupt: ProcessIO["Service"]["onInterrupt"]): ProcessIO["Service"] => ({
  onInterrupt,
  onExit: (run) => {
    process.once("exit", run)
    return () => {
      process.off("exit", run)
    }
  },
  env: process.env,
  // Asked for only when something reads it: looking at standard input can keep a process alive.
  stdin: { [Symbol.asyncIterator]: () => process.stdin[Symbol.asyncIterator]() as AsyncIterator<Uint8Array> },
  stdout: makeOutputStream(process.stdout),
  stderr: makeOutputStream(process.stderr)
})

const makeOutputStream = (stream: NodeJS.WriteStream): OutputStream => ({
  write: (text) => {
    stream.write(text)
  },
  drain: Effect.callback((resume) => {
    if (!stream.writableNeedDrain || stream.destroyed) return resume(Effect.void)
    const goOn = (): void => resume(Effect.void)
    stream.once("drain", goOn).once("close", goOn)
    return Effect.sync(() => stream.off("drain", goOn).off("close", goOn))
  }),
  isTerminal: stream.isTTY,
  size: () => ({ columns: stream.columns ?? 80, rows: stream.rows ?? 24 })
})
