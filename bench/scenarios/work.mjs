/** Claiming and completing cards without work: the throughput of a system. */
import { plainCards } from "../lib/population.mjs"
import { schemaOf } from "../lib/schemas.mjs"
import { names } from "../lib/systemNames.mjs"
import * as wrk from "../lib/systems/mosaicWrk.mjs"
import { countOf } from "../lib/table.mjs"
import { systems, work, workInProcesses } from "../lib/work.mjs"

const { claimingNext, handWritten, ours, overHttp, previousBuild, throughWorker } = names
const { batchedGraphileWorker, graphileWorker, mutableTable, pgBoss } = names
const everyones = [ours, claimingNext, throughWorker, graphileWorker, pgBoss, mutableTable, handWritten]

const oneByOne = "claim + complete"
const inBatches = "claim + complete, batches of 100"
const inProcesses = "claim + complete, 4 processes"
const atItsBest = "claim + complete, batched"

/** `[scenario, system, database, workers]`. Those of one scenario and number of workers are measured alternating. */
const allRows = [
  ...[1, 10, 100].flatMap((workers) => everyones.map((system) => [oneByOne, system, "postgres", workers])),
  [oneByOne, ours, "postgres", 40],
  [oneByOne, graphileWorker, "postgres", 40],
  [inProcesses, ours, "postgres", 40],
  ...[oneByOne, inProcesses].map((scenario) => [scenario, claimingNext, "postgres", 40]),
  [inProcesses, graphileWorker, "postgres", 40],
  ...[10, 24, 100].map((workers) => [atItsBest, batchedGraphileWorker, "postgres", workers]),
  ...[1, 4, 8].flatMap((workers) =>
    [ours, pgBoss, handWritten].map((system) => [inBatches, system, "postgres", workers])
  ),
  ...[1, 10, 100].map((workers) => [oneByOne, ours, "pglite", workers]),
  [inBatches, ours, "pglite", 1],
  ...[1, 10].map((workers) => [oneByOne, ours, "pglite directory", workers]),
  ...[1, 10, 100].map((workers) => [oneByOne, overHttp, "postgres", workers]),
  ...[1, 4].map((workers) => [inBatches, overHttp, "postgres", workers]),
  [oneByOne, overHttp, "pglite directory", 10]
]

/** Alternating with this build, when there is an older one. */
const rowsOfPreviousBuild = [
  ...[1, 10, 100].map((workers) => [oneByOne, previousBuild, "postgres", workers]),
  ...["pglite", "pglite directory"].map((database) => [oneByOne, previousBuild, database, 10])
]

/** Enough for a quick run, and for the ratios. */
const isQuick = ([scenario, system, database, workers]) => {
  if (database !== "postgres") return database === "pglite" && workers === 10
  if (system === overHttp) return scenario === oneByOne && workers === 10
  if (scenario === oneByOne) return workers !== 40 || system === ours
  if (scenario === inBatches) return workers === 1
  return system === ours || workers === 24 || workers === 100
}

const rows = (context) => {
  const wanted = context.previousBuild === undefined ? allRows : [...allRows, ...rowsOfPreviousBuild]
  return context.quick ? wanted.filter(isQuick) : wanted
}

const oneByOneAt = (workers) => `one by one, ${countOf(workers)}`

const groups = {
  [oneByOne]: oneByOneAt,
  [atItsBest]: () => oneByOneAt(100),
  [inBatches]: () => "batched",
  [inProcesses]: oneByOneAt
}

/** Enough for the measured time at several times the rate of today. */
const cardsFor = (scenario, system, database, workers, { quick }) => {
  if (database !== "postgres") return quick ? 3000 : 15_000
  if (scenario === atItsBest) return quick ? 30_000 : 200_000
  if (scenario === inBatches || system === handWritten) return quick ? 10_000 : 60_000
  if (system === throughWorker || workers === 100) return quick ? 10_000 : 60_000
  if (workers === 1) return quick ? 2000 : 16_000
  if (workers === 40) return quick ? 6000 : 60_000
  return quick ? 6000 : 30_000
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
      meter: meterOf(context)
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
  ...claims(context),
  ...drains(context)
]

/** Each process is slow until its functions are optimized, and a slow system's longer. */
const meterOf = ({ quick }) =>
  quick
    ? { warmUpSeconds: 0.6, seconds: 0.6 }
    : { warmUpSeconds: 2, warmUpOperations: 3000, maxWarmUpSeconds: 5, seconds: 2.5 }

/** Claims without completions: by workers in the process, and by a load generator with as many connections. */
const claims = (context) =>
  (context.quick ? [10] : [1, 10, 50]).flatMap((workers) =>
    [ours, wrk.name].map((system) => {
      const cards = context.quick ? 20_000 : 60_000
      const place = { database: "postgres", schema: schemaOf("claims_only", system, workers) }
      const common = {
        id: `claims, ${system}, ${countOf(workers)}, postgres`,
        group: `${oneByOneAt(workers)}, postgres`,
        scenario: "claims",
        system,
        database: "postgres",
        workers,
        size: cards,
        unit: "claims",
        beforeEach: () => systems[ours].fill(context, place, plainCards(cards)),
        afterEach: () => systems[ours].remove(context, place)
      }
      const meter = meterOf(context)
      return system === ours
        ? { ...common, measure: () => work(context, { system, place, workers, way: "claimsOnly", cards, meter }) }
        : {
            ...common,
            skipped: wrk.skipped(),
            // The load generator counts in whole seconds.
            measure: () =>
              wrk.claim(context, place, {
                workers,
                warmUpSeconds: context.quick ? 1 : 3,
                seconds: context.quick ? 1 : 3
              })
          }
    })
  )

/**
 * All cards of a large backlog in sequence, without a pause for vacuum: dead rows must not slow down later claims.
 */
const drains = (context) =>
  [ours, graphileWorker, batchedGraphileWorker, pgBoss].map((system) => {
    const cards = context.quick ? 3000 : 100_000
    const workers = system === batchedGraphileWorker ? 24 : 100
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
