import { Effect, Fiber } from "effect"
import { runInBackground } from "../../support/runInBackground.ts"

/** Runs `backlog serve` in this process until it is interrupted. */
export const startServe = async (argv: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) => {
  const written = { stdout: "", stderr: "" }
  let onStdout: (text: string) => void = () => {}
  const firstOutput = new Promise<string>((resolve) => {
    onStdout = resolve
  })
  const output = (name: "stdout" | "stderr") => ({
    write: (text: string) => {
      written[name] += text
      if (name === "stdout") onStdout(text)
    },
    drain: Effect.void,
    isTerminal: false,
    size: () => ({ columns: 80, rows: 24 })
  })
  const fiber = runInBackground(["serve", "--port", "0", "--json", ...argv], env, {
    stdout: output("stdout"),
    stderr: output("stderr")
  })
  const { url } = (JSON.parse(await firstOutput) as { readonly data: { readonly url: string } }).data
  return {
    url,
    logs: () => written.stderr,
    end: () => Effect.runPromise(Fiber.interrupt(fiber))
  }
}
