/** Plots of results, as SVG that is readable on a light and on a dark page. */
import { readFileSync, writeFileSync } from "node:fs"
import { barChart } from "./barChart.mjs"
import { lineChart } from "./lineChart.mjs"
import { label } from "./svg.mjs"
import { countOf } from "./table.mjs"

const onServer = (results, wanted) =>
  results.filter(
    (result) =>
      result.database === "postgres" && Object.entries(wanted).every(([field, value]) => result[field] === value)
  )

const oneByOne = "claim + complete"

/** Rates side by side, for each number of workers. */
const rates = (results) => {
  const all = onServer(results, { scenario: oneByOne })
  const workers = [...new Set(all.map((result) => result.workers))].sort((one, other) => one - other)
  return barChart({
    title: "Claim + complete one by one, cards a second",
    groups: workers.map((count) => ({
      label: countOf(count),
      bars: barsOf(all.filter((result) => result.workers === count))
    }))
  })
}

/** Rates of those that take many at once, each with the number of workers that suits it best. */
const batches = (results) =>
  barChart({
    title: "Claim + complete many at once, cards a second",
    groups: [
      {
        label: "each with as many workers as suit it best",
        bars: barsOf(
          bestOf([
            ...onServer(results, { scenario: "claim + complete, batched" }),
            ...onServer(results, { scenario: "claim + complete, batches of 100" })
          ])
        )
      }
    ]
  })

const barsOf = (results) =>
  results
    .map(({ opsPerSecond, system }) => ({ label: system, value: opsPerSecond, color: colorOf(system) }))
    .sort((one, other) => systems.indexOf(one.label) - systems.indexOf(other.label))

const bestOf = (results) => {
  const best = new Map()
  for (const result of results)
    if (!(best.get(result.system)?.opsPerSecond >= result.opsPerSecond)) best.set(result.system, result)
  return [...best.values()]
}

/** As many as can be told apart. */
const shownStates = new Set(["all claimable", "90 % done", "90 % waiting, and first", "mixed"])

/** The latency of a claim over the size of the backlog: a line for each state, and for each system. */
const latencies = (results) => {
  const claims = results.filter(
    ({ scenario }) => scenario.startsWith("claim, ") && shownStates.has(scenario.slice("claim, ".length))
  )
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
    title: `Soak with a snapshot held, ${label(series.at(-1)?.deadRows ?? 0)} dead rows at its end: claim latency`,
    x: { label: "seconds" },
    y: { label: "milliseconds" },
    lines: [
      ["p50", "claimP50Ms", colors[0]],
      ["p99", "claimP99Ms", colors[1]]
    ].map(([name, field, color]) => ({
      label: name,
      color,
      points: series.filter((one) => one[field] !== null).map((one) => [one.seconds, one[field]])
    }))
  })

const colors = ["#2f7d5b", "#b4602c", "#c98a3d", "#5573b7", "#a2477f", "#7d8590", "#79b99b"]
const systems = [
  "mosaic-backlog",
  "graphile-worker",
  "graphile-worker batched",
  "pg-boss",
  "mutable table",
  "floor",
  "mosaic-backlog over HTTP"
]
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
  write("batches", batches(results))
  write("claims", latencies(results))
  write("soak", soak(readSeries(new URL(`${prefix}-soak.json`, place))))
}
