/**
 * Several backlogs on one server, with a schema and a process each, compared with one backlog with as many workers; at the
 * server's own commit latency and at a higher one.
 */
import { verify } from "./backlog.mjs"
import { set } from "./commitLatency.mjs"
import { withCrew } from "./crew.mjs"
import { measureAlternating } from "./together.mjs"

const workersEach = 5
const most = 8

const schemaOf = (index) => `bench_scaling_${index}`

const rowsOf = (delayMs) =>
  [1, 4, 8].flatMap((schemas) => [
    { delayMs, schemas, processes: schemas, workers: schemas * workersEach },
    ...(schemas === 1 ? [] : [{ delayMs, schemas: 1, processes: 1, workers: schemas * workersEach, isCompared: true }])
  ])

export const backlogs = async (context, say) => {
  await set(context.url, { commit_siblings: 0 })
  const places = Array.from({ length: most }, (_, index) => ({ schema: schemaOf(index) }))
  return withCrew(context, places, say, async (crew) => {
    const measured = await measureAlternating([0, 5].flatMap(rowsOf), context.repetitions, async (row) => {
      await set(context.url, { commit_delay: row.delayMs * 1000 })
      const one = await crew.measure(row)
      say(
        `${row.workers} workers, ${row.schemas} backlogs, ${row.delayMs} ms more: ${one.perSecond.toFixed(0)} cards/s`
      )
      return one
    })
    await set(context.url, { commit_delay: 0 })
    for (const { schema } of places) await verify(context, schema)
    return measured
  })
}
