/** Claiming and completing cards without work: the throughput of a system. */
import { plainCards } from "../lib/population.mjs"
import { schemaOf } from "../lib/schemas.mjs"
import { countOf } from "../lib/table.mjs"
import { systems, work, workInProcesses } from "../lib/work.mjs"

const ours = "mosaic-backlog"
const overHttp = "mosaic-backlog over HTTP"
const claimingNext = "mosaic-backlog, next"
const throughWorker = "mosaic-backlog worker"
const everyones = [ours, claimingNext, throughWorker, "graphile-worker", "pg-boss", "mutable table", "floor"]

const oneByOne = "claim + complete"
const inBatches = "claim + complete, batches of 100"
const inProcesses = "claim + complete, 4 processes"
const atItsBest = "claim + complete, batched"

/** `[scenario, system, database, workers]`. Those of one scenario and number of workers are measured alternating. */
const allRows = [
  ...[1, 10, 24, 100].flatMap((workers) => everyones.map((system) => [oneByOne, system, "postgres", workers])),
  [oneByOne, ours, "postgres", 40],
  [oneByOne, "graphile-worker", "postgres", 40],
  [inProcesses, ours, "postgres", 40],
  ...[oneByOne, inProcesses].map((scenario) => [scenario, claimingNext, "postgres", 40]),
  [inProcesses, "graphile-worker", "postgres", 40],
  ...[10, 24, 100].map((workers) => [atItsBest, "graphile-worker batched", "postgres", workers]),
  ...[1, 4, 8].flatMap((workers) =>
    [ours, "pg-boss", "floor"].map((system) => [inBatches, system, "postgres", workers])
  ),
  ...[1, 10, 100].map((workers) => [oneByOne, ours, "pglite", workers]),
  [inBatches, ours, "pglite", 1],
  ...[1, 10].map((workers) => [oneByOne, ours, "pglite directory", workers]),
  ...[1, 10, 100].map((workers) => [oneByOne, overHttp, "postgres", workers]),
  ...[1, 4].map((workers) => [inBatches, overHttp, "postgres", workers]),
  [oneByOne, overHttp, "pglite directory", 10]
]

/** Enough for a quick run, and for the ratios. */
const isQuick = ([scenario, system, database, workers]) => {
  if (database !== "postgres") return database === "pglite" && workers === 10
  if (system === overHttp) return scenario === oneByOne && workers === 10
  if (scenario === oneByOne) return workers !== 24 && (workers !== 40 || system === ours)
  if (scenario === inBatches) return workers === 1
  return system === ours || workers === 24 || workers === 100
}

const rows = ({ quick }) => (quick ? allRows.filter(isQuick) : allRows)

const groups = {
  [oneByOne]: (workers) => `one by one, ${countOf(workers)}`,
  [atItsBest]: () => "batched",
  [inBatches]: () => "batched",
  [inProcesses]: () => "one by one, 40 workers"
}

const cardsFor = (scenario, system, database, workers, { quick }) => {
  if (database !== "postgres") return quick ? 3000 : 10_000
  if (scenario === atItsBest) return quick ? 30_000 : 200_000
  if (scenario === inBatches || system === "floor") return quick ? 10_000 : 60_000
  if (workers === 1) return quick ? 2000 : 8000
  return quick ? 6000 : 20_000
}

export const scenarios = (context) => [
  ...rows(context).map(([scenario, system, database, workers]) => {
    const cards = cardsFor(scenario, system, database, workers, context)
    const place = { database, schema: schemaOf("work", system, workers) }
    const job = {
      system,
      place,
      workers,
      cards,
      batch: scenario === inBatches ? 100 : undefined,
      meter: context.quick ? { warmUpSeconds: 0.2, seconds: 0.6 } : { warmUpSeconds: 2, seconds: 2.5 }
    }
    return {
      id: `${scenario}, ${system}, ${countOf(workers)}, ${database}`,
      group: `${groups[scenario](workers)}, ${database}`,
      scenario,
      system,
      database,
      workers,
      size: cards,
      unit: "cards",
      beforeEach: () => systems[system].fill(context, place, plainCards(cards)),
      measure: () =>
        scenario === inProcesses ? workInProcesses(context, { ...job, workers: workers / 4 }, 4) : work(context, job),
      afterEach: () => systems[system].remove(context, place)
    }
  }),
  ...drains(context)
]

/**
 * All cards of a large backlog in sequence, without a pause for vacuum: dead rows must not slow down later claims.
 */
const drains = (context) =>
  [ours, "graphile-worker", "graphile-worker batched", "pg-boss"].map((system) => {
    const cards = context.quick ? 3000 : 100_000
    const workers = system === "graphile-worker batched" ? 24 : 100
    const place = { database: "postgres", schema: schemaOf("drain", system) }
    const job = { system, place, workers, cards, meter: { warmUpSeconds: 0, seconds: Number.MAX_SAFE_INTEGER } }
    return {
      id: `drain, ${system}, ${countOf(workers)}, postgres`,
      group: "drain",
      scenario: "drain",
      system,
      database: "postgres",
      workers,
      size: cards,
      unit: "cards",
      // It is long enough by itself.
      repetitions: 1,
      beforeEach: () => systems[system].fill(context, place, plainCards(cards)),
      measure: async () => {
        const measured = await work(context, job)
        return { ...measured, parts: partsOf(measured.latencies) }
      },
      afterEach: () => systems[system].remove(context, place)
    }
  })

/** The latencies of the first and of the last tenth, in the order in which they were done. */
const partsOf = (latencies) => {
  if (latencies === null) return {}
  const tenth = Math.floor(latencies.length / 10)
  return { "first tenth": latencies.slice(0, tenth), "last tenth": latencies.slice(-tenth) }
}
