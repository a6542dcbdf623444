import { Effect, type Scope } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { postgresUrl } from "./backlogs.ts"

interface Script {
  /** The text that it has printed so far. */
  readonly lines: ReadonlyArray<string>
  /** Waits until it has printed a line this many times. Dies if it ends before. */
  readonly said: (line: string, times?: number) => Effect.Effect<void>
  /** Kills it with SIGKILL. */
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
      const said = async (line: string, times: number) => {
        let over = false
        while (lines.filter((other) => other === line).length < times) {
          if (over) throw new Error(`${name} ended without saying ${line}: ${lines.join(" ")}`)
          over = await Promise.race([once(output, "line").then(() => false), ended.then(() => true)])
        }
      }
      return {
        lines,
        said: (line: string, times = 1) => Effect.promise(() => said(line, times)),
        kill: Effect.promise(async () => {
          running.kill("SIGKILL")
          await exit
        })
      }
    }),
    ({ kill }) => kill
  )
