/** A backlog that processes fill and work on concurrently, and that is verified afterward. */
import { Effect } from "effect"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { withConnection } from "../withConnection.mjs"
import { plainCards } from "../population.mjs"
import { fill } from "../systems/mosaic.mjs"
import { sumOf, runTogether } from "./together.mjs"

export const load = ({ build }) => import(pathToFileURL(join(build, "index.js")).href)

/** Enough cards for the warm-up, half of them at most, and for the measured time. */
const cardsFor = ({ quick }, workers, commandsEach) => {
  const cards = commandsEach > 1 ? 240_000 : workers === 1 ? 16_000 : workers < 20 ? 60_000 : 160_000
  return quick ? cards / 4 : cards
}

/** Splits a number as evenly as possible. */
const shares = (whole, parts) =>
  Array.from({ length: parts }, (_, index) => Math.floor(whole / parts) + (index < whole % parts ? 1 : 0))

/**
 * Measures claiming and completing with a number of workers in a number of processes, over new backlogs in a number of
 * schemas. With `readsPauseMs`, another process reads a card with that pause, and `readMs` has the durations. Then checks that each
 * done card was claimed once and completed once.
 */
export const measureLoops = async (
  context,
  { commandsEach = 1, options = {}, processes = 1, readsPauseMs, schemas = 1, url = context.url, workers }
) => {
  const names = Array.from({ length: schemas }, (_, index) => `bench_scaling_${index}`)
  const cards = processes === 0 ? 100 : Math.ceil(cardsFor(context, workers, commandsEach) / schemas)
  for (const schema of names) await fill(context, { database: "postgres", schema }, plainCards(cards))
  const { build, maxWarmUpSeconds, seconds, warmUpSeconds } = context
  const jobs = (processes === 0 ? [] : shares(workers, processes)).map((count, index) => ({
    kind: "loops",
    build,
    url,
    options,
    schema: names[index % schemas],
    workers: count,
    commandsEach,
    cards: Math.floor((cards * schemas) / processes),
    seconds,
    warmUpSeconds,
    maxWarmUpSeconds
  }))
  const reads =
    readsPauseMs === undefined
      ? []
      : [{ kind: "reads", build, url, options, schema: names[0], pauseMs: readsPauseMs, seconds, warmUpSeconds }]
  const measured = await runTogether([...jobs, ...reads])
  for (const schema of names) await checkOnce(context, schema)
  const readMs = measured[jobs.length]?.latencies
  return jobs.length === 0 ? { readMs } : { ...sumOf(measured.slice(0, jobs.length)), readMs }
}

/** Checks that each card was claimed and completed at most once, and that the read model agrees with the log. */
const checkOnce = (context, schema) =>
  withConnection(context.url, async (client) => {
    const { rows } = await client.query(`
      SELECT (SELECT count(*) FROM ${schema}.cards WHERE status = 'done') AS done,
        count(*) FILTER (WHERE type = 'CardCompleted') AS completed,
        count(DISTINCT card_id) FILTER (WHERE type = 'CardCompleted') AS different,
        count(*) FILTER (WHERE type = 'CardClaimed') AS claimed,
        count(DISTINCT card_id) FILTER (WHERE type = 'CardClaimed') AS "differentClaimed"
      FROM ${schema}.events`)
    const [{ claimed, completed, different, differentClaimed, done }] = rows
    if (done !== completed || completed !== different || claimed !== differentClaimed) {
      throw new Error(`a card was claimed or completed twice: ${JSON.stringify(rows[0])}`)
    }
  })

/** Uses the services of a backlog in this process: `use` gets the package's exports and returns an Effect. */
export const withServices = async (context, { options = {}, schema, url = context.url }, use) => {
  const exported = await load(context)
  return Effect.runPromise(
    Effect.provide(Effect.scoped(use(exported)), exported.layerPostgres({ url, schema, ...options }))
  )
}

/** Verifies log and read model. Fails when they are inconsistent. */
export const verify = (context, schema) =>
  withServices(context, { schema }, ({ AuditService }) =>
    Effect.gen(function* () {
      const report = yield* (yield* AuditService).verify()
      if (report.divergenceCount > 0) throw new Error(`${schema} is not whole: ${JSON.stringify(report)}`)
      return report
    })
  )
