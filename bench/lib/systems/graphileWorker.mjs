/** graphile-worker with its defaults, and with the batching that its documentation recommends for speed. */
import { makeWorkerUtils, run, Logger } from "graphile-worker"
import { EventEmitter } from "node:events"
import { Client } from "pg"
import { names } from "../systemNames.mjs"
import { dropSchema, settle } from "../schemas.mjs"

const silent = new Logger(() => () => {})

const jobsAtOnce = 10_000

/** The settings from its documentation's page about performance. */
const batching = { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 }

const utilsOf = (context, { schema }) =>
  makeWorkerUtils({ connectionString: context.url, schema, logger: silent, noHandleSignals: true })

export const withUtils = async (context, place, use) => {
  const utils = await utilsOf(context, place)
  try {
    return await use(utils)
  } finally {
    await utils.release()
  }
}

export const addAll = async (utils, count) => {
  for (let added = 0; added < count; added += jobsAtOnce) {
    const length = Math.min(jobsAtOnce, count - added)
    await utils.addJobs(
      Array.from({ length }, (_, index) => ({ identifier: "nothing", payload: { number: added + index } }))
    )
  }
}

const fill = async (context, place, cards) => {
  await remove(context, place)
  await withUtils(context, place, async (utils) => {
    await utils.migrate()
    await addAll(utils, [...cards].length)
  })
  await settle(context.url, place.schema)
}

export const remove = (context, { schema }) => dropSchema(context.url, schema)

/**
 * A job's completion is announced before it is in the database. So the result is the number of jobs that are gone from the
 * table at the end, and at most the number announced here, since other processes may use the same table.
 */
const workWith =
  (options) =>
  async (context, { schema }, { makeMeter, ready, workers }) => {
    const client = new Client({ connectionString: context.url })
    await client.connect()
    const left = async () => {
      const { rows } = await client.query(`SELECT count(*)::int FROM ${schema}._private_jobs`)
      return rows[0].count
    }
    const before = await left()
    await ready()
    const meter = makeMeter()
    const events = new EventEmitter()
    events.on("job:complete", () => meter.done(1))
    const runner = await run({
      connectionString: context.url,
      schema,
      concurrency: workers,
      maxPoolSize: workers + 2,
      taskList: { nothing: () => {} },
      noHandleSignals: true,
      logger: silent,
      events,
      preset: { worker: options }
    })
    await meter.finished
    const gone = before - (await left())
    const milliseconds = performance.now() - meter.started
    await runner.stop()
    await client.end()
    const measured = meter.result()
    return {
      ...measured,
      operations: Math.min(gone - meter.warmUp, measured.operations),
      milliseconds,
      latencies: null
    }
  }

export const plain = { name: names.graphileWorker, fill, remove, work: workWith({}) }

export const batched = { name: names.batchedGraphileWorker, fill, remove, work: workWith(batching) }
