import { Context, Effect } from "effect"

/** Where text goes: a terminal, a file, a pipe. */
export interface Output {
  readonly write: (text: string) => void
  /** Waits until what was written is on its way, or nobody takes it any more. */
  readonly drained: Effect.Effect<void>
  readonly isTerminal: boolean
  /** How many columns a line has, and how many lines are shown, as it is now; of use on a terminal only. */
  readonly size: () => { readonly columns: number; readonly rows: number }
}

/** What the command line has of the process around it, so that tests can put something else in its place. */
export class Host extends Context.Service<
  Host,
  {
    readonly env: Readonly<Record<string, string | undefined>>
    readonly stdin: AsyncIterable<Uint8Array>
    readonly stdout: Output
    readonly stderr: Output
    /** Says that an interrupt is how this program ends, how long that may take, and the exit code then. */
    readonly endsByInterrupt: (how: { readonly patienceMillis: number; readonly exitCode: number }) => void
    /** Does something when the process ends, however it does, unless what this answers is called before. */
    readonly atExit: (run: () => void) => () => void
  }
>()("mosaic-backlog/cli/Host") {}

/** This process. */
export const processHost = (endsByInterrupt: Host["Service"]["endsByInterrupt"]): Host["Service"] => ({
  endsByInterrupt,
  atExit: (run) => {
    process.once("exit", run)
    return () => {
      process.off("exit", run)
    }
  },
  env: process.env,
  // Asked for only when something reads it: looking at standard input can keep a process alive.
  stdin: { [Symbol.asyncIterator]: () => process.stdin[Symbol.asyncIterator]() as AsyncIterator<Uint8Array> },
  stdout: outputOf(process.stdout),
  stderr: outputOf(process.stderr)
})

const outputOf = (stream: NodeJS.WriteStream): Output => ({
  write: (text) => {
    stream.write(text)
  },
  drained: Effect.callback((resume) => {
    if (!stream.writableNeedDrain || stream.destroyed) return resume(Effect.void)
    const goOn = (): void => resume(Effect.void)
    stream.once("drain", goOn).once("close", goOn)
    return Effect.sync(() => stream.off("drain", goOn).off("close", goOn))
  }),
  isTerminal: stream.isTTY,
  size: () => ({ columns: stream.columns ?? 80, rows: stream.rows ?? 24 })
})
