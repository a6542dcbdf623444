/** pg-boss: jobs are fetched in loops, without the pauses of its own pollers, which reduce the load on the database. */
import { PgBoss } from "pg-boss"
import { workInLoops } from "../meter.mjs"
import { names } from "../systemNames.mjs"
import { dropSchema, settle } from "../schemas.mjs"

export const name = names.pgBoss
export const queue = "work"

const jobsAtOnce = 10_000

export const withBoss = async (context, { schema }, connections, use) => {
  const boss = new PgBoss({
    connectionString: context.url,
    schema,
    max: connections,
    supervise: false,
    schedule: false
  })
  boss.on("error", (error) => {
    throw error
  })
  await boss.start()
  try {
    return await use(boss)
  } finally {
    await boss.stop({ graceful: false, close: true })
  }
}

export const insertAll = async (boss, count) => {
  for (let added = 0; added < count; added += jobsAtOnce) {
    const length = Math.min(jobsAtOnce, count - added)
    await boss.insert(
      queue,
      Array.from({ length }, (_, index) => ({ data: { number: added + index } }))
    )
  }
}

export const fill = async (context, place, cards) => {
  await remove(context, place)
  await withBoss(context, place, 1, async (boss) => {
    await boss.createQueue(queue)
    await insertAll(boss, [...cards].length)
  })
  await settle(context.url, place.schema)
}

export const remove = (context, { schema }) => dropSchema(context.url, schema)

export const work = (context, place, { batch = 1, makeMeter, ready, workers }) =>
  withBoss(context, place, workers, async (boss) => {
    await ready()
    const meter = makeMeter()
    await workInLoops(workers, meter, async () => {
      const jobs = await boss.fetch(queue, { batchSize: batch })
      if (jobs.length > 0) {
        await boss.complete(
          queue,
          jobs.map(({ id }) => id)
        )
      }
      return jobs.length
    })
    return meter.result()
  })
