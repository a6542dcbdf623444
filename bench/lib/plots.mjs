/** Plots of results, as SVG that is readable on a light and on a dark page. */
import { readFileSync, writeFileSync } from "node:fs"
import { barChart } from "./barChart.mjs"
import { lineChart } from "./lineChart.mjs"
import { countOf } from "./table.mjs"

const onServer = (results, wanted) =>
  results.filter(
    (result) =>
      result.database === "postgres" && Object.entries(wanted).every(([field, value]) => result[field] === value)
  )

const oneByOne = "claim + complete"

/** Rates side by side, for each number of workers. */
const rates = (results) => {
  const workers = [...new Set(onServer(results, { scenario: oneByOne }).map((result) => result.workers))]
  const groups = workers
    .sort((a, b) => a - b)
    .map((count) => ({
      label: `${countOf(count)}, one by one`,
      bars: barsOf(onServer(results, { scenario: oneByOne, workers: count }))
    }))
  const batched = [
    ...bestOf(onServer(results, { scenario: "claim + complete, batched" })),
    ...bestOf(onServer(results, { scenario: "claim + complete, batches of 100" }))
  ]
  if (batched.length > 0) groups.push({ label: "batched, each at its best", bars: barsOf(batched) })
  return barChart({ title: "Claim + complete, cards a second", groups })
}

const barsOf = (results) =>
  results.map(({ opsPerSecond, system }) => ({ label: system, value: opsPerSecond, color: colorOf(system) }))

const bestOf = (results) => {
  const best = new Map()
  for (const result of results)
    if (!(best.get(result.system)?.opsPerSecond >= result.opsPerSecond)) best.set(result.system, result)
  return [...best.values()]
}

/** The latency of a claim over the size of the backlog: a line for each state, and for each system. */
const latencies = (results) => {
  const claims = results.filter(({ scenario }) => scenario.startsWith("claim, "))
  const lines = new Map()
  for (const { p50Ms, scenario, size, system } of claims) {
    const key = `${system}: ${scenario.slice("claim, ".length)}`
    const line = lines.get(key) ?? { label: key, color: colorOf(system), points: [] }
    line.points.push([size, p50Ms])
    lines.set(key, line)
  }
  for (const line of lines.values()) line.points.sort(([a], [b]) => a - b)
  return lineChart({
    title: "Claim latency (p50) over the number of cards",
    x: { label: "cards", isLogarithmic: true },
    y: { label: "milliseconds", isLogarithmic: true },
    lines: [...lines.values()]
  })
}

const soak = (series) =>
  lineChart({
    title: "Soak with a snapshot held: claim latency",
    x: { label: "dead rows" },
    y: { label: "milliseconds" },
    lines: [
      ["p50", "claimP50Ms", colors[0]],
      ["p99", "claimP99Ms", colors[1]]
    ].map(([label, field, color]) => ({
      label,
      color,
      points: series.filter((one) => one[field] !== null).map((one) => [one.deadRows, one[field]])
    }))
  })

const colors = ["#2f7d5b", "#b4602c", "#c98a3d", "#5573b7", "#a2477f", "#7d8590"]
const systems = ["mosaic-backlog", "graphile-worker", "graphile-worker batched", "pg-boss", "mutable table", "floor"]
const colorOf = (system) => colors[systems.indexOf(system)]

const readSeries = (file) => {
  try {
    return JSON.parse(readFileSync(file, "utf8"))
  } catch (error) {
    if (error.code === "ENOENT") return []
    throw error
  }
}

/** Writes the plots that there are results for beside the results. */
export const writePlots = (place, prefix, results) => {
  const write = (name, svg) => {
    if (svg !== undefined) writeFileSync(new URL(`${prefix}-${name}.svg`, place), svg)
  }
  write("rates", rates(results))
  write("claims", latencies(results))
  write("soak", soak(readSeries(new URL(`${prefix}-soak.json`, place))))
}
