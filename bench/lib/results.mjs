import { writeFileSync } from "node:fs"
import { readJson } from "./readJson.mjs"
import { median, percentile } from "./statistics.mjs"

const rounded = (value, digits) => (value === null ? null : Number(value.toFixed(digits)))

/** One row of the results, from all repetitions of a scenario in a run. */
const resultOf = (run, { database, scenario, size, system, workers }, measurements) => {
  const latencies = measurements.flatMap((one) => one.latencies ?? [])
  return {
    run,
    scenario,
    system,
    database,
    workers,
    size,
    opsPerSecond: rounded(median(measurements.map((one) => (one.operations / one.milliseconds) * 1000)), 1),
    p50Ms: rounded(latencies.length > 0 ? percentile(latencies, 0.5) : timeOfOne(measurements), 3),
    p99Ms: rounded(latencies.length > 0 ? percentile(latencies, 0.99) : null, 3),
    repetitions: measurements.length,
    cpuMicros: rounded(cpuMicrosOf(measurements), 1),
    rssMiB: rounded(Math.max(...measurements.map((one) => one.peakMiB)), 0)
  }
}

/** Processor time of the measured process for an operation, or null where it was not measured. */
const cpuMicrosOf = (measurements) =>
  measurements.some((one) => one.cpuMicros === undefined)
    ? null
    : median(measurements.map((one) => one.cpuMicros / one.operations))

/** A single call took the whole time. Where there were many calls of unknown duration, latencies are null. */
const timeOfOne = (measurements) =>
  measurements.some((one) => one.latencies === null) ? null : median(measurements.map((one) => one.milliseconds))

/** A part of a measurement as a measurement of its own. Includes the duration of all calls when they ran concurrently. */
const partOf = ({ workers }, { parts, peakMiB }, name) => {
  const latencies = parts[name]
  const milliseconds = latencies.reduce((sum, one) => sum + one, 0) / workers
  return { operations: latencies.length, milliseconds, latencies, peakMiB }
}

/**
 * The results of a scenario: its own, and one for each part, such as "drain, last tenth". `run` is when the run started: only
 * results of one run are compared.
 */
export const resultsOf = (run, scenario, measurements) => [
  resultOf(run, scenario, measurements),
  ...Object.keys(measurements[0].parts ?? {}).map((name) =>
    resultOf(
      run,
      { ...scenario, scenario: `${scenario.scenario}, ${name}` },
      measurements.map((one) => partOf(scenario, one, name))
    )
  )
]

const keyOf = ({ database, scenario, size, system, workers }) =>
  JSON.stringify([scenario, system, database, workers, size])

/** Replaces older results of the same scenarios, and keeps the others. Returns all. */
export const writeResults = (file, results) => {
  const byKey = new Map(readJson(file, []).map((result) => [keyOf(result), result]))
  for (const result of results) byKey.set(keyOf(result), result)
  const all = [...byKey.values()]
  writeFileSync(file, `${JSON.stringify(all, null, 2)}\n`)
  return all
}
