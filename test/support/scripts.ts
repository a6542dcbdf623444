import { Effect, type Scope } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { postgresUrl } from "./backlogs.ts"

interface Script {
  /** The lines that the script has printed so far. */
  readonly lines: ReadonlyArray<string>
  /** Waits until the script has printed a line `times` times (default 1). Dies if it ends before. */
  readonly awaitLine: (line: string, times?: number) => Effect.Effect<void>
  /** Kills the script with SIGKILL. */
  readonly kill: Effect.Effect<void>
}

/** Runs a script of this directory on the tests' server, in a child process that is killed when the scope closes. */
export const script = (
  name: "consumer.mjs" | "rebuild.mjs" | "removal.mjs",
  ...parameters: ReadonlyArray<string>
): Effect.Effect<Script, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const path = fileURLToPath(new URL(name, import.meta.url))
      const running = spawn(process.execPath, [path, postgresUrl(), ...parameters], {
        stdio: ["ignore", "pipe", "inherit"]
      })
      const lines: Array<string> = []
      const output = createInterface(running.stdout)
      output.on("line", (line) => lines.push(line))
      const ended = once(output, "close")
      const exit = once(running, "exit")
      const awaitLine = async (line: string, times: number) => {
        let over = false
        while (lines.filter((other) => other === line).length < times) {
          if (over) throw new Error(`${name} ended without printing ${line}: ${lines.join(" ")}`)
          over = await Promise.race([once(output, "line").then(() => false), ended.then(() => true)])
        }
      }
      return {
        lines,
        awaitLine: (line: string, times = 1) => Effect.promise(() => awaitLine(line, times)),
        kill: Effect.promise(async () => {
          running.kill("SIGKILL")
          await exit
        })
      }
    }),
    ({ kill }) => kill
  )
