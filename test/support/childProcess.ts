import { Effect, type Scope } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

export interface Child {
  readonly pid: number
  /** The lines that the process has printed so far. */
  readonly lines: ReadonlyArray<string>
  /** Waits until the process has printed this line. Dies if the process ends before. */
  readonly awaitLine: (line: string) => Effect.Effect<void>
  readonly endInput: Effect.Effect<void>
  readonly kill: Effect.Effect<void>
  /** The exit code, or null if a signal ended the process. */
  readonly exit: Effect.Effect<number | null>
}

const script = fileURLToPath(new URL("childLock.mjs", import.meta.url))

/** Runs `childLock.mjs` in a child process, which is killed when the scope closes. */
export const child = (
  mode: "hold" | "labour" | "visit" | "perish" | "open" | "linger" | "write",
  ...parameters: ReadonlyArray<string>
): Effect.Effect<Child, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const running = spawn(process.execPath, [script, mode, ...parameters], { stdio: ["pipe", "pipe", "inherit"] })
      const { pid } = running
      if (pid === undefined) throw new Error("the child process did not start")
      const lines: Array<string> = []
      const output = createInterface(running.stdout)
      output.on("line", (line) => lines.push(line))
      const exit = once(running, "exit").then(([code]) => code as number | null)
      const outputEnd = once(output, "close")
      const awaitLine = async (line: string) => {
        while (!lines.includes(line)) {
          await Promise.race([once(output, "line"), outputEnd])
          if (running.exitCode !== null || running.signalCode !== null) {
            await outputEnd
            if (!lines.includes(line))
              throw new Error(`child ${mode} ended without printing ${line}: ${lines.join(" ")}`)
          }
        }
      }
      const ended = Effect.promise(async () => {
        await outputEnd
        return exit
      })
      return {
        pid,
        lines,
        awaitLine: (line: string) => Effect.promise(() => awaitLine(line)),
        endInput: Effect.sync(() => void running.stdin.end()),
        kill: Effect.andThen(
          Effect.sync(() => running.kill("SIGKILL")),
          Effect.asVoid(ended)
        ),
        exit: ended
      }
    }),
    (running) => running.kill
  )

/** An empty temporary directory, which is removed when the scope closes. */
export const temporaryDirectory: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "backlog-test-"))),
  (directory) => Effect.promise(() => rm(directory, { recursive: true, force: true }))
)
