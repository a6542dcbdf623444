/** Targets for results relative to other results of the same run. */
import { states } from "./population.mjs"
import { countOf, markdownTable, number } from "./table.mjs"

const ours = "mosaic-backlog"
const claimingNext = "mosaic-backlog, next"
const throughWorker = "mosaic-backlog worker"
const overHttp = "mosaic-backlog over HTTP"
const oneByOne = "claim + complete"
const batches = "claim + complete, batches of 100"
const postgres = { database: "postgres" }

const matching = (results, wanted) =>
  results.filter((result) => Object.entries(wanted).every(([field, value]) => [value].flat().includes(result[field])))

/** The best rate among the matching results. */
const best = (wanted) => (results) =>
  matching(results, { ...postgres, ...wanted }).sort((a, b) => b.opsPerSecond - a.opsPerSecond)[0]

const bySize = (wanted) => (results) => matching(results, { ...postgres, ...wanted }).sort((a, b) => a.size - b.size)

const smallest = (wanted) => (results) => bySize(wanted)(results)[0]
const largest = (wanted) => (results) => bySize(wanted)(results).at(-1)

const rate = (name, of, over, min) => ({ name, of, over, field: "opsPerSecond", min })
const median = (name, of, over, limits) => ({ name, of, over, field: "p50Ms", ...limits })

const everyone = ["graphile-worker", "graphile-worker batched", "pg-boss"]
const againstAt = (workers, system, min) =>
  rate(
    `claim + complete one by one, ${countOf(workers)}, to ${system}`,
    best({ scenario: oneByOne, system: ours, workers }),
    best({ scenario: oneByOne, system, workers }),
    min
  )
const otherWayAt = (workers, way, called, system) =>
  rate(
    `${called}, ${countOf(workers)}, to ${system}`,
    best({ scenario: oneByOne, system: way, workers }),
    best({ scenario: oneByOne, system, workers })
  )
const batchesTo = (name, over, min) =>
  rate(`claim many + complete many, to ${name}`, best({ scenario: batches, system: ours }), best(over), min)

const overHttpTo = (name, wanted) =>
  rate(`${name}, over HTTP to in the program`, best({ ...wanted, system: overHttp }), best({ ...wanted, system: ours }))

const graphileBest = { scenario: [oneByOne, "claim + complete, batched"], system: everyone.slice(0, 2) }
const claimsIn = (state) => ({ scenario: `claim, ${state}`, system: ours })

const ratios = [
  againstAt(1, "graphile-worker", 1),
  againstAt(1, "pg-boss", 1.5),
  againstAt(10, "graphile-worker", 2),
  againstAt(10, "pg-boss", 4),
  rate(
    "claim + complete one by one, 100 workers, to graphile-worker's best",
    best({ scenario: oneByOne, system: ours, workers: 100 }),
    best(graphileBest),
    1
  ),
  ...[1, 10, 100].flatMap((workers) =>
    ["graphile-worker", "pg-boss"].flatMap((system) => [
      otherWayAt(workers, claimingNext, "complete and claim the next", system),
      otherWayAt(workers, throughWorker, "through the worker", system)
    ])
  ),
  batchesTo("graphile-worker's best", graphileBest, 1.3),
  batchesTo("pg-boss's best", { scenario: [oneByOne, batches], system: "pg-boss" }, 1.3),
  batchesTo("the floor's best", { scenario: batches, system: "floor" }, 0.7),
  rate(
    "4 processes of 10 workers to 1 process of 40",
    best({ scenario: "claim + complete, 4 processes", system: ours, workers: 40 }),
    best({ scenario: oneByOne, system: ours, workers: 40 }),
    0.8
  ),
  ...[1, 10, 100].map((workers) =>
    overHttpTo(`claim + complete one by one, ${countOf(workers)}`, { scenario: oneByOne, workers })
  ),
  overHttpTo("claim + complete one by one, 10 workers, embedded", {
    scenario: oneByOne,
    workers: 10,
    database: "pglite directory"
  }),
  overHttpTo("claim many + complete many", { scenario: batches }),
  ...Object.keys(states).map((state) =>
    median(`claim p50, ${state}, most cards to fewest`, largest(claimsIn(state)), smallest(claimsIn(state)), {
      max: 1.25
    })
  ),
  // All results of the mutable table: its largest size, and ours of that size.
  ...Object.keys(states).map((state) => {
    const theirs = largest({ ...claimsIn(state), system: "mutable table" })
    const sameSize = (results) => smallest({ ...claimsIn(state), size: theirs(results)?.size ?? 0 })(results)
    return rate(`claims, ${state}, to the mutable table at its largest`, sameSize, theirs, minOf(state))
  }),
  ...Object.keys(states).map((state) => {
    const scenario = `claim + complete over a large backlog, ${state}`
    return rate(
      `claims by 10 workers, ${state}, to the mutable table`,
      best({ scenario, system: ours }),
      best({ scenario, system: "mutable table" }),
      minOf(state)
    )
  }),
  median(
    "drain, p50 of the last tenth to the first",
    best({ scenario: "drain, last tenth", system: ours }),
    best({ scenario: "drain, first tenth", system: ours }),
    {}
  ),
  median(
    "soak, claim p50 of the last tenth to the first",
    best({ scenario: "soak, snapshot held, last tenth", system: ours }),
    best({ scenario: "soak, snapshot held, first tenth", system: ours }),
    {}
  )
]

/**
 * The usual design is slowed down by done and waiting cards, which it has to skip. Without such cards there is no target.
 */
function minOf(state) {
  const { done = 0, first = false } = states[state]
  return done > 0 || first ? 30 : undefined
}

const columns = [
  ["ratio", (row) => row.name],
  ["measured", (row) => `${number(row.value, 2)} ×`, "right"],
  ["asked", (row) => (row.min === undefined && row.max === undefined ? "" : askedOf(row))]
]

const askedOf = ({ max, min, value }) => {
  const isMet = (min === undefined || value >= min) && (max === undefined || value <= max)
  return `${min === undefined ? `≤ ${max}` : `≥ ${min}`} × ${isMet ? "✓" : "✗"}`
}

/** A table of the ratios between the results of one run. Empty when there are none. */
export const ratiosOf = (results) => {
  const rows = ratios.flatMap((ratio) => {
    const [of, over] = [ratio.of(results), ratio.over(results)]
    if (of === undefined || over === undefined || of === over) return []
    return [{ ...ratio, value: of[ratio.field] / over[ratio.field] }]
  })
  return rows.length === 0 ? "" : markdownTable(columns, rows)
}
