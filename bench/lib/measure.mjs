import { fork } from "node:child_process"
import { once } from "node:events"
import { nodeOptions } from "./nodeOptions.mjs"

/**
 * Measures a scenario once in a new process, and returns `{ operations, milliseconds, latencies?, peakMiB }`: the number of
 * operations, their duration, the latencies of single calls where there were many, and the process's peak memory.
 */
export const measure = async (module, scenario, context, { profile }) => {
  const child = fork(new URL("measurement.mjs", import.meta.url), {
    execArgv:
      profile === undefined
        ? nodeOptions
        : [...nodeOptions, "--cpu-prof", `--cpu-prof-dir=${profile}`, `--cpu-prof-name=${nameOf(scenario)}.cpuprofile`],
    stdio: ["ignore", "inherit", "inherit", "ipc"]
  })
  let measured
  child.once("message", (message) => {
    measured = message
  })
  child.send({ module, id: scenario.id, context })
  const [code] = await once(child, "exit")
  if (measured === undefined) throw new Error(`${scenario.id} ended with code ${code} and no result`)
  return measured
}

const nameOf = ({ id }) => id.replaceAll(/[^\w.-]+/g, "-")
