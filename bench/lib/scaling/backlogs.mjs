/** Several backlogs on one server, a schema and a process each, beside one backlog with as many workers. */
import { measureLoops, verify } from "./backlog.mjs"
import { inTurns } from "./together.mjs"

const workersEach = 5

export const backlogs = async (context, say) => {
  const rows = [1, 2, 4, 8].flatMap((schemas) => [
    { schemas, processes: schemas, workers: schemas * workersEach },
    ...(schemas === 1 ? [] : [{ schemas: 1, processes: 1, workers: schemas * workersEach, isCompared: true }])
  ])
  const measured = await inTurns(rows, context.repetitions, async (row) => {
    const one = await measureLoops(context, row)
    say(`${row.workers} workers, ${row.schemas} backlogs: ${one.perSecond.toFixed(0)} cards/s`)
    return one
  })
  await verify(context, "bench_scaling_0")
  return measured
}
