import { writeFileSync } from "node:fs"
import { readJson } from "./readJson.mjs"
import { median, percentile } from "./statistics.mjs"

const rounded = (value, digits) => (value === null ? null : Number(value.toFixed(digits)))

/** One line of the results, from all repetitions of a scenario. */
const resultOf = ({ database, scenario, size, system, workers }, measurements) => {
  const latencies = measurements.flatMap((one) => one.latencies ?? [])
  return {
    scenario,
    system,
    database,
    workers,
    size,
    opsPerSecond: rounded(median(measurements.map((one) => (one.operations / one.milliseconds) * 1000)), 1),
    p50Ms: rounded(latencies.length > 0 ? percentile(latencies, 0.5) : timeOfOne(measurements), 3),
    p99Ms: rounded(latencies.length > 0 ? percentile(latencies, 0.99) : null, 3),
    repetitions: measurements.length,
    rssMiB: rounded(Math.max(...measurements.map((one) => one.peakMiB)), 0)
  }
}

/** The one call of a measurement took all of its time; where there were many of unknown length, latencies are null. */
const timeOfOne = (measurements) =>
  measurements.some((one) => one.latencies === null) ? null : median(measurements.map((one) => one.milliseconds))

/** A measurement's part, as if it had been measured by itself; how long all calls took when they ran side by side. */
const partOf = ({ workers }, { parts, peakMiB }, name) => {
  const latencies = parts[name]
  const milliseconds = latencies.reduce((sum, one) => sum + one, 0) / workers
  return { operations: latencies.length, milliseconds, latencies, peakMiB }
}

/** The lines of a scenario: its own, and one for each part of which it tells apart, as "drain, last tenth". */
export const resultsOf = (scenario, measurements) => [
  resultOf(scenario, measurements),
  ...Object.keys(measurements[0].parts ?? {}).map((name) =>
    resultOf(
      { ...scenario, scenario: `${scenario.scenario}, ${name}` },
      measurements.map((one) => partOf(scenario, one, name))
    )
  )
]

const keyOf = ({ database, scenario, size, system, workers }) =>
  JSON.stringify([scenario, system, database, workers, size])

/** Puts new results in the place of older ones of the same scenarios; others stay as they are. Answers all. */
export const writeResults = (file, results) => {
  const byKey = new Map(readJson(file, []).map((result) => [keyOf(result), result]))
  for (const result of results) byKey.set(keyOf(result), result)
  const all = [...byKey.values()]
  writeFileSync(file, `${JSON.stringify(all, null, 2)}\n`)
  return all
}
