import { execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"

const program = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url))

/** Starts the built program. */
export const start = (argv: ReadonlyArray<string>, options: { readonly cwd?: string; readonly env?: object } = {}) => {
  const child = spawn(process.execPath, [program, ...argv], {
    cwd: options.cwd,
    env: { PATH: process.env["PATH"], BACKLOG_ACTOR: "tester", ...options.env }
  })
  const said = { stdout: "", stderr: "" }
  child.stdout.on("data", (chunk) => (said.stdout += String(chunk)))
  child.stderr.on("data", (chunk) => (said.stderr += String(chunk)))
  const ended = once(child, "close").then(([code, signal]) => ({ code: code ?? signal, ...said }))
  /** Waits until the output satisfies a predicate. Fails if the program ends first. */
  const says = (isSaid: (stdout: string, stderr: string) => boolean) =>
    new Promise<void>((resolve, reject) => {
      const look = (): void => {
        if (!isSaid(said.stdout, said.stderr)) return
        for (const stream of [child.stdout, child.stderr]) stream.off("data", look)
        resolve()
      }
      for (const stream of [child.stdout, child.stderr]) stream.on("data", look)
      look()
      void ended.then(({ code, stderr }) => reject(new Error(`the program ended with ${code}: ${stderr}`)))
    })
  return { child, ended, says }
}

/** Runs a script in bash, in which `backlog` is the built program. */
export const bash = (
  script: string
): Promise<{ readonly code: unknown; readonly stdout: string; readonly stderr: string }> =>
  new Promise((resolve) => {
    execFile(
      "bash",
      ["--norc", "-c", `backlog() { '${process.execPath}' '${program}' "$@"; }\n${script}`],
      { env: { PATH: process.env["PATH"], BACKLOG_ACTOR: "tester" } },
      (error, stdout, stderr) => resolve({ code: error?.code ?? 0, stdout, stderr })
    )
  })
