import { Effect, Fiber, Metric } from "effect"
import { run } from "../../../src/cli/run.ts"

/** `backlog serve` in this process, until it is interrupted. */
export const serving = async (argv: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) => {
  const written = { stdout: "", stderr: "" }
  let heard: (text: string) => void = () => {}
  const answered = new Promise<string>((resolve) => {
    heard = resolve
  })
  const output = (name: "stdout" | "stderr") => ({
    write: (text: string) => {
      written[name] += text
      if (name === "stdout") heard(text)
    },
    drained: Effect.void,
    isTerminal: false,
    size: () => ({ columns: 80, rows: 24 })
  })
  const fiber = Effect.runFork(
    Effect.provideService(
      run(["serve", "--port", "0", "--json", ...argv], {
        env,
        stdin: (async function* () {})(),
        stdout: output("stdout"),
        stderr: output("stderr"),
        endsByInterrupt: () => {},
        atExit: () => () => {}
      }),
      // What other tests of this process measure is none of this server's.
      Metric.MetricRegistry,
      new Map()
    )
  )
  const { url } = (JSON.parse(await answered) as { readonly data: { readonly url: string } }).data
  return {
    url,
    logs: () => written.stderr,
    end: () => Effect.runPromise(Fiber.interrupt(fiber))
  }
}
