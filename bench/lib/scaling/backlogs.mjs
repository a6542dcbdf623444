/**
 * Several backlogs on one server, with a schema and a process each, compared with one backlog with as many workers; at the
 * server's own commit latency and at a higher one.
 */
import { measureLoops, verify } from "./backlog.mjs"
import { set } from "./commitLatency.mjs"
import { measureAlternating } from "./together.mjs"

const workersEach = 5

const rowsOf = (delayMs) =>
  [1, 4, 8].flatMap((schemas) => [
    { delayMs, schemas, processes: schemas, workers: schemas * workersEach },
    ...(schemas === 1 ? [] : [{ delayMs, schemas: 1, processes: 1, workers: schemas * workersEach, isCompared: true }])
  ])

export const backlogs = async (context, say) => {
  await set(context.url, { commit_siblings: 0 })
  const measured = await measureAlternating([0, 5].flatMap(rowsOf), context.repetitions, async (row) => {
    await set(context.url, { commit_delay: row.delayMs * 1000 })
    const one = await measureLoops(context, row)
    say(`${row.workers} workers, ${row.schemas} backlogs, ${row.delayMs} ms more: ${one.perSecond.toFixed(0)} cards/s`)
    return one
  })
  await set(context.url, { commit_delay: 0 })
  await verify(context, "bench_scaling_0")
  return measured
}
