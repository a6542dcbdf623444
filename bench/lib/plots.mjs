/** Plots of results, as SVG that is readable on light and dark pages. */
import { writeFileSync } from "node:fs"
import { barChart } from "./barChart.mjs"
import { lineChart } from "./lineChart.mjs"
import { readJson } from "./readJson.mjs"
import { label } from "./svg.mjs"
import { names } from "./systemNames.mjs"
import { countOf } from "./table.mjs"

const onServer = (results, wanted) =>
  results.filter(
    (result) =>
      result.database === "postgres" && Object.entries(wanted).every(([field, value]) => result[field] === value)
  )

const { ours } = names
const oneByOne = "claim + complete"

/** Rates by number of workers. */
const rates = (results) => {
  const all = onServer(results, { scenario: oneByOne })
  const workers = [...new Set(all.map((result) => result.workers))].sort((one, other) => one - other)
  return barChart({
    title: "Claim + complete one by one, cards per second",
    groups: workers.map((count) => ({
      label: countOf(count),
      bars: barsOf(all.filter((result) => result.workers === count))
    }))
  })
}

/** Rates of the systems with batches, each with its best number of workers. */
const batches = (results) =>
  barChart({
    title: "Claim + complete many at once, cards per second",
    groups: [
      {
        label: "each with the number of workers at which it is fastest",
        bars: barsOf(
          bestOf([
            ...onServer(results, { scenario: "claim + complete, batched" }),
            ...onServer(results, { scenario: "claim + complete, batches of 100" })
          ]),
          ({ system, workers }) => `${system}, ${countOf(workers)}`
        )
      }
    ]
  })

/** Bars of results, ours first. */
const barsOf = (results, labelOf = ({ system }) => system) =>
  results
    .toSorted((one, other) => systems.indexOf(one.system) - systems.indexOf(other.system))
    .map((result) => ({
      label: labelOf(result),
      value: result.opsPerSecond,
      color: colorOf(result.system),
      isOurs: result.system === ours
    }))

const bestOf = (results) => {
  const best = new Map()
  for (const result of results)
    if (!(best.get(result.system)?.opsPerSecond >= result.opsPerSecond)) best.set(result.system, result)
  return [...best.values()]
}

/** Rates over a whole backlog, from its first card to its last. */
const drains = (results) =>
  barChart({
    title: "Draining a whole backlog without a pause for vacuum, cards per second",
    groups: [
      {
        label: "all cards",
        bars: barsOf(
          onServer(results, { scenario: "drain" }),
          ({ system, workers }) => `${system}, ${countOf(workers)}`
        )
      }
    ]
  })

const creates = (results) =>
  barChart({
    title: "Creating many cards with one call, cards per second",
    groups: [
      {
        label: "in one transaction where the system can",
        bars: barsOf(onServer(results, { scenario: "create many" }))
      }
    ]
  })

/** Latencies of reads over the largest backlog. */
const reads = (results) => {
  const all = onServer(results, { system: ours }).filter(({ scenario }) => /^(?:get$|list, |stats$)/.test(scenario))
  const size = Math.max(...all.map((result) => result.size))
  return barChart({
    title: "Reads, milliseconds (p50)",
    groups: [
      {
        label: `over ${label(size)} cards`,
        bars: all
          .filter((result) => result.size === size && result.p50Ms !== null)
          .map(({ p50Ms, scenario, system }) => ({
            label: scenario,
            value: p50Ms,
            color: colorOf(system),
            isOurs: true
          }))
      }
    ]
  })
}

/** As many colors as can be distinguished. */
const shownStates = new Set(["all claimable", "90 % done", "90 % waiting, and first", "mixed"])

/** The latency of a claim by the size of the backlog: one line for each state and for each system. */
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
    title: `Soak with an open snapshot, ${label(series.at(-1)?.deadRows ?? 0)} dead rows at its end: claim latency`,
    x: { label: "seconds" },
    y: { label: "milliseconds" },
    lines: [
      ["p50", "claimP50Ms", colorOf(ours)],
      ["p99", "claimP99Ms", colorOf(names.graphileWorker)]
    ].map(([name, field, color]) => ({
      label: name,
      color,
      points: series.filter((one) => one[field] !== null).map((one) => [one.seconds, one[field]])
    }))
  })

/** Results of the head row simulation: one line for each commit latency, with one process and with four. */
const headRow = (simulated) => {
  const rows = simulated.filter(({ commandsEach }) => commandsEach === 1)
  const commits = [...new Set(rows.map(({ commitMs }) => commitMs))]
  const colors = [colorOf(ours), colorOf(names.pgBoss), colorOf(names.graphileWorker)]
  return lineChart({
    title: "Commands per second over one head row, simulated",
    x: { label: "workers in total", isLogarithmic: true },
    y: { label: "commands per second", isLogarithmic: true },
    lines: [1, 4].flatMap((processes) =>
      commits.map((commitMs, index) => ({
        label: `commit in ${commitMs} ms, ${processes === 1 ? "1 process" : `${processes} processes`}`,
        color: colors[index % colors.length],
        points: rows
          .filter((row) => row.commitMs === commitMs && row.processes === processes)
          .map(({ commandsPerSecond, workers }) => [workers, commandsPerSecond])
      }))
    )
  })
}

/** In display order. */
const colorBySystem = {
  [ours]: "#2f7d5b",
  [names.claimingNext]: "#3f9a74",
  [names.throughWorker]: "#5aa886",
  [names.overHttp]: "#79b99b",
  [names.loadGenerator]: "#93c7ad",
  [names.previousBuild]: "#a9b8b0",
  [names.graphileWorker]: "#b4602c",
  [names.batchedGraphileWorker]: "#c98a3d",
  [names.pgBoss]: "#5573b7",
  [names.mutableTable]: "#a2477f",
  [names.handWritten]: "#7d8590"
}
const systems = Object.keys(colorBySystem)
const colorOf = (system) => colorBySystem[system]

/** Writes the plots for which results exist next to the results, and returns their names. */
export const writePlots = (place, prefix, results) =>
  written(place, prefix, {
    rates: rates(results),
    batches: batches(results),
    claims: latencies(results),
    reads: reads(results),
    creates: creates(results),
    drain: drains(results),
    soak: soak(readJson(new URL(`${prefix}-soak.json`, place), []))
  })

/** Writes the plots of the simulation in `scaling.mjs`. */
export const writeScalingPlots = (place, { simulated }) => written(place, "scaling", { "head-row": headRow(simulated) })

const written = (place, prefix, plots) => {
  const drawn = Object.keys(plots).filter((name) => plots[name] !== undefined)
  for (const name of drawn) writeFileSync(new URL(`${prefix}-${name}.svg`, place), plots[name])
  return drawn
}
