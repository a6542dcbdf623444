/** Results relative to other results of the same run, and what is required of them. */
import { states } from "./population.mjs"
import { names } from "./systemNames.mjs"
import { countOf, markdownTable, number } from "./table.mjs"

const { batchedGraphileWorker, claimingNext, graphileWorker, handWritten, loadGenerator, mutableTable } = names
const { ours, overHttp, pgBoss, previousBuild, throughWorker } = names
const oneByOne = "claim + complete"
const inBatches = "claim + complete, batches of 100"
const inProcesses = "claim + complete, 4 processes"
const batched = "claim + complete, batched"
const soak = "soak, snapshot held"

const isWanted = (result, wanted) =>
  Object.entries(wanted).every(([field, value]) => [value].flat().includes(result[field]))

const by = {
  /** The highest rate. */
  best: (one, other) => other.opsPerSecond - one.opsPerSecond,
  smallest: (one, other) => one.size - other.size,
  largest: (one, other) => other.size - one.size
}

/** Selects one of the results with these fields, each of which may have several values. */
const side = (order, wanted) => ({ order, wanted: { database: "postgres", ...wanted } })
const best = (wanted) => side(by.best, wanted)
const smallest = (wanted) => side(by.smallest, wanted)
const largest = (wanted) => side(by.largest, wanted)

const pick = (results, { order, wanted }) => results.filter((result) => isWanted(result, wanted)).sort(order)[0]

/** `isWritePath` marks the ratios of the set write-path, `min` and `max` what is required. */
const ratio = (field, name, of, over, { isWritePath = false, max, min } = {}) => ({
  field,
  isWritePath,
  max,
  min,
  name,
  of,
  over
})
const rate = (...all) => ratio("opsPerSecond", ...all)
const median = (...all) => ratio("p50Ms", ...all)
const processorTime = (...all) => ratio("cpuMicros", ...all)

const atLeast = (min) => ({ isWritePath: true, min })
const atMost = (max) => ({ isWritePath: true, max })

const oneByOneWith = (system, workers, more) => best({ scenario: oneByOne, system, workers, ...more })

/** Rates of one way to use this program, one card at a time, relative to another system's. */
const rateTo = (called, way, workers, system, required) =>
  rate(
    `${called}, ${countOf(workers)}, relative to ${system}`,
    oneByOneWith(way, workers),
    oneByOneWith(system, workers),
    required
  )

const called = {
  [ours]: "one by one",
  [claimingNext]: "complete and claim next",
  [throughWorker]: "through the worker"
}

/** The required rates by way, number of workers and system. */
const requiredRates = {
  [ours]: {
    1: { [graphileWorker]: 0.5, [pgBoss]: 1.2 },
    10: { [graphileWorker]: 1.5, [pgBoss]: 3.5 },
    100: { [graphileWorker]: 5 }
  },
  [claimingNext]: { 1: { [graphileWorker]: 1, [pgBoss]: 2.2 } },
  [throughWorker]: { 1: { [graphileWorker]: 4 }, 10: { [graphileWorker]: 3 }, 100: { [graphileWorker]: 5 } }
}

const ratesOneByOne = [ours, claimingNext, throughWorker].flatMap((way) =>
  [1, 10, 100].flatMap((workers) =>
    [graphileWorker, pgBoss].map((system) => {
      const min = requiredRates[way][workers]?.[system]
      return rateTo(called[way], way, workers, system, min === undefined ? {} : atLeast(min))
    })
  )
)

const processorTimes = [
  processorTime(
    "Node's processor time, one by one, 1 worker, relative to graphile-worker",
    oneByOneWith(ours, 1),
    oneByOneWith(graphileWorker, 1),
    atMost(3)
  ),
  processorTime(
    "Node's processor time, one by one, 10 workers, relative to graphile-worker",
    oneByOneWith(ours, 10),
    oneByOneWith(graphileWorker, 10),
    atMost(0.7)
  ),
  processorTime(
    `Node's processor time, batches of 100, 1 worker, relative to ${handWritten}`,
    best({ scenario: inBatches, system: ours, workers: 1 }),
    best({ scenario: inBatches, system: handWritten, workers: 1 }),
    atMost(2.5)
  )
]

const batchesTo = (name, over, required) =>
  rate(
    `batches of 100 at their best, relative to ${name} at its best`,
    best({ scenario: inBatches, system: ours }),
    over,
    required
  )

const graphileBest = best({ scenario: [oneByOne, batched], system: [graphileWorker, batchedGraphileWorker] })

const many = [
  rate(
    "one by one, 100 workers, relative to graphile-worker batched at its best",
    oneByOneWith(ours, 100),
    best({ scenario: batched, system: batchedGraphileWorker }),
    atLeast(0.35)
  ),
  batchesTo("graphile-worker", graphileBest),
  batchesTo(pgBoss, best({ scenario: inBatches, system: pgBoss }), atLeast(0.8)),
  batchesTo(handWritten, best({ scenario: inBatches, system: handWritten }), atLeast(1.1)),
  rate(
    "4 processes of 10 workers relative to 1 process of 40",
    best({ scenario: inProcesses, system: ours, workers: 40 }),
    oneByOneWith(ours, 40),
    atLeast(0.8)
  )
]

const httpTo = (name, wanted) =>
  rate(
    `${name}, over HTTP relative to in the process`,
    best({ ...wanted, system: overHttp }),
    best({ ...wanted, system: ours })
  )

const claimsWith = (system, workers) => best({ scenario: "claims", system, workers })

const http = [
  rate(
    "claims per second by a load generator over HTTP, 10 connections, relative to pairs per second by 10 workers in the process",
    claimsWith(loadGenerator, 10),
    oneByOneWith(ours, 10),
    atLeast(0.9)
  ),
  ...[1, 10, 50].map((workers) =>
    rate(
      `claims per second by a load generator over HTTP relative to claims in the process, ${countOf(workers)}`,
      claimsWith(loadGenerator, workers),
      claimsWith(ours, workers),
      { isWritePath: workers === 10 }
    )
  ),
  ...[1, 10, 100].map((workers) =>
    httpTo(`one by one with the client, ${countOf(workers)}`, { scenario: oneByOne, workers })
  ),
  httpTo("one by one with the client, 10 workers, embedded", {
    scenario: oneByOne,
    workers: 10,
    database: "pglite directory"
  }),
  httpTo("batches of 100 with the client", { scenario: inBatches })
]

const previous = [
  ...["pglite", "pglite directory"].map((database) =>
    rate(
      `embedded (${database}), one by one, 10 workers, relative to the previous build`,
      oneByOneWith(ours, 10, { database }),
      oneByOneWith(previousBuild, 10, { database }),
      atLeast(2)
    )
  ),
  ...[1, 10, 100].flatMap((workers) => {
    const sides = [oneByOneWith(ours, workers), oneByOneWith(previousBuild, workers)]
    const name = `one by one, ${countOf(workers)}, relative to the previous build`
    return [rate(name, ...sides), processorTime(`Node's processor time, ${name}`, ...sides)]
  })
]

const claimsIn = (state, system) => ({ scenario: `claim, ${state}`, system })

/** The usual design is slowed down by done and waiting cards, which it must skip. Without such cards nothing is required. */
const isSlowedDownBy = (state) => {
  const { done = 0, first = false } = states[state]
  return done > 0 || first
}

const allStates = Object.keys(states)

const claims = [
  ...allStates.map((state) =>
    median(
      `claim p50, ${state}, most cards relative to fewest`,
      largest(claimsIn(state, ours)),
      smallest(claimsIn(state, ours)),
      { max: 1.25 }
    )
  ),
  ...allStates.map((state) =>
    rate(
      `claims, ${state}, 100,000 cards, relative to the mutable table`,
      best({ ...claimsIn(state, ours), size: 100_000 }),
      best({ ...claimsIn(state, mutableTable), size: 100_000 }),
      isSlowedDownBy(state) ? { min: 30 } : {}
    )
  ),
  ...allStates.map((state) => {
    const scenario = `claim + complete over a large backlog, ${state}`
    return rate(
      `claims by 10 workers, ${state}, relative to the mutable table`,
      best({ scenario, system: ours }),
      best({ scenario, system: mutableTable }),
      isSlowedDownBy(state) ? atLeast(30) : {}
    )
  })
]

const tenths = (name, scenario, required) =>
  median(
    name,
    best({ scenario: `${scenario}, last tenth`, system: ours }),
    best({ scenario: `${scenario}, first tenth`, system: ours }),
    required
  )

const ratios = [
  ...processorTimes,
  ...ratesOneByOne,
  ...many,
  ...http,
  ...previous,
  ...claims,
  tenths("drain, p50 of the last tenth relative to the first", "drain"),
  tenths("soak with an open snapshot, claim p50 of the last tenth relative to the first", soak, atMost(3))
]

/** Whether a ratio that is required of the write path uses the results of a scenario. */
export const isOfWritePath = (scenario) =>
  ratios.some(
    ({ isWritePath, of, over }) =>
      isWritePath &&
      [of, over].some(({ wanted }) => {
        // A scenario with parts has results of its own and of each part.
        const scenarios = [wanted.scenario].flat().map((name) => name.replace(/, (?:first|last) tenth$/, ""))
        return isWanted(scenario, { ...wanted, scenario: scenarios })
      })
  )

/** The value of a ratio in the newest run that has both of its sides, or nothing. */
const valueOf = ({ field, of, over }, results) => {
  const runs = [...new Set(results.map(({ run }) => run))].sort((one, other) => ((one ?? "") < (other ?? "") ? 1 : -1))
  for (const run of runs) {
    const same = results.filter((result) => result.run === run)
    const [dividend, divisor] = [pick(same, of), pick(same, over)]
    if (dividend === undefined || divisor === undefined || dividend === divisor) continue
    const value = dividend[field] / divisor[field]
    if (Number.isFinite(value)) return value
  }
  return undefined
}

const isRequired = ({ max, min }) => min !== undefined || max !== undefined
const isMet = ({ max, min, value }) => (min === undefined || value >= min) && (max === undefined || value <= max)
const limitOf = ({ max, min }) => (min === undefined ? `≤ ${max} ×` : `≥ ${min} ×`)

const columns = [
  ["ratio", ({ name }) => name],
  ["measured", ({ value }) => (value === undefined ? "not measured" : `${number(value, 2)} ×`), "right"],
  ["required", (row) => (isRequired(row) ? limitOf(row) : ""), "right"],
  ["met", (row) => (isRequired(row) && row.value !== undefined ? (isMet(row) ? "yes" : "no") : "")]
]

const measured = (results) => ratios.map((one) => ({ ...one, value: valueOf(one, results) }))

/** A table of the ratios between the results of one run. Empty when there are none. */
export const ratiosOf = (results) => {
  const rows = measured(results).filter(({ value }) => value !== undefined)
  return rows.length === 0 ? "" : markdownTable(columns, rows)
}

/** A table of the ratios of the set write-path, and how many requirements are met. */
export const writePathRatiosOf = (results) => {
  const rows = measured(results).filter(({ isWritePath }) => isWritePath)
  const required = rows.filter(isRequired)
  const met = required.filter((row) => row.value !== undefined && isMet(row)).length
  return `${markdownTable(columns, rows)}\n\n${met} of ${required.length} are met.`
}

/** A list of the required ratios that are not met or were not measured. */
export const unmetRatiosOf = (results) => {
  const rows = measured(results).filter((row) => isRequired(row) && !(row.value !== undefined && isMet(row)))
  return rows
    .map((row) => {
      const value = row.value === undefined ? "not measured" : `${number(row.value, 2)} ×`
      return `- ${row.name}: ${value}, required ${limitOf(row)}`
    })
    .join("\n")
}
