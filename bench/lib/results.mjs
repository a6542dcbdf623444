import { readFileSync, writeFileSync } from "node:fs"
import { median, percentile } from "./statistics.mjs"

const rounded = (value, digits) => (value === null ? null : Number(value.toFixed(digits)))

/** One line of the results, from all repetitions of a scenario. */
export const resultOf = ({ database, scenario, size, system, workers }, measurements) => {
  const latencies = measurements.flatMap((one) => one.latencies ?? [])
  return {
    scenario,
    system,
    database,
    workers,
    size,
    opsPerSecond: rounded(median(measurements.map((one) => (one.operations / one.milliseconds) * 1000)), 1),
    p50Ms: rounded(
      latencies.length > 0 ? percentile(latencies, 0.5) : median(measurements.map((one) => one.milliseconds)),
      3
    ),
    p99Ms: rounded(latencies.length > 0 ? percentile(latencies, 0.99) : null, 3),
    repetitions: measurements.length,
    rssMiB: rounded(Math.max(...measurements.map((one) => one.peakMiB)), 0)
  }
}

const keyOf = ({ database, scenario, size, system, workers }) =>
  JSON.stringify([scenario, system, database, workers, size])

/** Puts new results in the place of older ones of the same scenarios; others stay as they are. */
export const writeResults = (file, results) => {
  const byKey = new Map(readResults(file).map((result) => [keyOf(result), result]))
  for (const result of results) byKey.set(keyOf(result), result)
  writeFileSync(file, `${JSON.stringify([...byKey.values()], null, 2)}\n`)
}

const readResults = (file) => {
  try {
    return JSON.parse(readFileSync(file, "utf8"))
  } catch (error) {
    if (error.code === "ENOENT") return []
    throw error
  }
}
