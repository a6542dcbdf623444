import * as NodeStream from "@effect/platform-node-shared/NodeStream"
import { Data, Deferred, Effect, Fiber, Stream } from "effect"
import { type ChildProcessWithoutNullStreams, execFile, spawn } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import type { ProcessIO } from "./ProcessIO.ts"

/** Seconds between the termination signal and the kill signal. */
export const killAfterSeconds = 5

/** Time to read output after the command ended, if a process that it started keeps the pipes open. */
const outputTimeout = "1 second"

/** Time to wait for processes after the kill signal, in milliseconds. */
const killMillis = 1000

/** Bounds of the delay between two checks whether a process group has ended, in milliseconds. It doubles. */
const checkMillis = { first: 5, last: 200 }

/** The operating system refused to start a command. */
export class CommandNotStarted extends Data.TaggedError("CommandNotStarted")<{ readonly message: string }> {}

/** How a command ended: with an exit code, or by a signal. */
export interface CommandEnd {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A shell command, and what to do with its output. */
interface ShellCommand {
  readonly command: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** The standard input. The command need not read it. */
  readonly input: string
  readonly onOutput: (chunk: Uint8Array) => void
  /** Reading continues when the effect has completed. */
  readonly onErrorOutput: (chunk: Uint8Array) => Effect.Effect<void>
}

/**
 * Runs a shell command in a process group of its own, and returns how it ended.
 *
 * When the command has ended, its output is read until all processes have closed it, for at most a second. Then, or when the
 * effect is interrupted, the processes of the group that are left are terminated, and killed `killAfterSeconds` later. If this
 * program ends before, they are killed: `onExit` registers that.
 */
export const runShellCommand = (
  shellCommand: ShellCommand,
  onExit: ProcessIO["Service"]["onExit"]
): Effect.Effect<CommandEnd, CommandNotStarted> =>
  Effect.acquireUseRelease(
    start(shellCommand, onExit),
    ({ ended, reading }) =>
      Effect.tap(Deferred.await(ended), () => Effect.timeoutOption(Fiber.await(reading), outputTimeout)),
    ({ child, group, reading }) =>
      Effect.gen(function* () {
        // What the processes still write is read until they have ended, so that they do not wait for a full pipe.
        yield* group.terminate
        yield* Fiber.interrupt(reading)
        for (const pipe of [child.stdin, child.stdout, child.stderr]) pipe.destroy()
      })
  )

const start = Effect.fnUntraced(function* (
  { command, env, input, onErrorOutput, onOutput }: ShellCommand,
  onExit: ProcessIO["Service"]["onExit"]
) {
  const child = yield* Effect.try({
    try: () => spawn(command, { shell: true, env, detached: !isWindows, windowsHide: true }),
    catch: toNotStarted
  })
  // Without a listener, an error would end this program.
  const failed = Deferred.makeUnsafe<never, CommandNotStarted>()
  child.on("error", (error) => Deferred.doneUnsafe(failed, Effect.fail(toNotStarted(error))))
  const { pid } = child
  if (pid === undefined) return yield* Deferred.await(failed)
  const group = makeProcessGroup(pid, child, onExit)
  const ended = Deferred.makeUnsafe<CommandEnd>()
  child.once("exit", (code, signal) => Deferred.doneUnsafe(ended, Effect.succeed({ code, signal })))
  // The command may end without reading.
  child.stdin.on("error", () => {})
  child.stdin.end(input)
  const reading = yield* Effect.forkDetach(
    Effect.all(
      [
        Stream.runForEach(read(child.stdout), (chunk) => Effect.sync(() => onOutput(chunk))),
        Stream.runForEach(read(child.stderr), onErrorOutput)
      ],
      { concurrency: "unbounded" }
    ),
    { startImmediately: true }
  )
  return { child, group, ended, reading }
})

const read = (readable: NodeJS.ReadableStream) =>
  NodeStream.fromReadable<Uint8Array, unknown>({ evaluate: () => readable, onError: (error) => error })

const toNotStarted = (error: unknown) =>
  new CommandNotStarted({
    message: `the command cannot be started: ${error instanceof Error ? error.message : String(error)}`
  })

const isWindows = process.platform === "win32"

/** Makes the process group of a child. On Windows, which has none, it is the child and what it has started. */
const makeProcessGroup = (
  pid: number,
  child: ChildProcessWithoutNullStreams,
  onExit: ProcessIO["Service"]["onExit"]
) => {
  const signalAll = (signal: "SIGTERM" | "SIGKILL"): void => {
    if (isWindows) {
      if (!hasEnded(child)) execFile("taskkill", ["/pid", String(pid), "/T", "/F"], { windowsHide: true }, () => {})
      return
    }
    try {
      process.kill(-pid, signal)
    } catch {
      // All processes have ended.
    }
  }
  const isAlive = (): boolean => !hasEnded(child) || (!isWindows && isGroupAlive(pid))
  const forget = onExit(() => signalAll("SIGKILL"))

  /** Waits until all processes have ended, for at most this many milliseconds. */
  const awaitEnd = Effect.fnUntraced(function* (maxMillis: number) {
    const deadline = performance.now() + maxMillis
    for (let delay = checkMillis.first; isAlive(); delay = Math.min(delay * 2, checkMillis.last)) {
      const left = deadline - performance.now()
      if (left <= 0) return
      yield* Effect.sleep(Math.min(delay, left))
    }
  })

  const terminate = Effect.gen(function* () {
    if (isAlive()) {
      signalAll("SIGTERM")
      yield* awaitEnd(killAfterSeconds * 1000)
    }
    if (isAlive()) {
      signalAll("SIGKILL")
      yield* awaitEnd(killMillis)
    }
    forget()
  })
  return { terminate }
}

const hasEnded = ({ exitCode, signalCode }: ChildProcessWithoutNullStreams): boolean =>
  exitCode !== null || signalCode !== null

/** Whether a process group has a process that can receive signals. */
const isGroupAlive = (pid: number): boolean => {
  try {
    process.kill(-pid, 0)
  } catch {
    return false
  }
  return !hasOnlyZombies(pid)
}

/**
 * Whether all processes of a group have ended, and their parent has not read how. It never does if it is process 1 of a
 * container without an init, such as this program. Always false on systems without `/proc`.
 */
const hasOnlyZombies = (pid: number): boolean => {
  const states = listProcesses().flatMap((each) => {
    // The name of the program, in parentheses, may contain anything. The state, the parent and the group follow it.
    const [state = "", , group] = readProcessStatus(each)
    return Number(group) === pid ? [state] : []
  })
  return states.length > 0 && states.every((state) => state === "Z" || state === "X")
}

const listProcesses = (): ReadonlyArray<string> => {
  try {
    return readdirSync("/proc").filter((name) => /^\d+$/.test(name))
  } catch {
    return []
  }
}

/** The fields of a process's status that follow the name of its program. Empty for a process that no longer exists. */
const readProcessStatus = (pid: string): ReadonlyArray<string> => {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, "utf8")
    return status.slice(status.lastIndexOf(")") + 2).split(" ")
  } catch {
    return []
  }
}
