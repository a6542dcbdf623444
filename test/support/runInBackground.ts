import { Effect, type Fiber, Metric } from "effect"
import type { ProcessIO } from "../../src/cli/ProcessIO.ts"
import { run } from "../../src/cli/run.ts"

/** Runs the command line in this process, with empty standard input, until it ends or is interrupted. */
export const runInBackground = (
  argv: ReadonlyArray<string>,
  env: Readonly<Record<string, string>>,
  { stderr, stdout }: Pick<ProcessIO["Service"], "stdout" | "stderr">
): Fiber.Fiber<number> =>
  Effect.runFork(
    Effect.provideService(
      run(argv, {
        env,
        stdin: (async function* () {})(),
        stdout,
        stderr,
        onInterrupt: () => {},
        onExit: () => () => {}
      }),
      // The metrics of other tests in this process must not appear in this one's.
      Metric.MetricRegistry,
      new Map()
    )
  )
