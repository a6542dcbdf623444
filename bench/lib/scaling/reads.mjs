/** Reads of one card in a process of its own, while nothing is written, and while as many workers write as the server can carry. */
import { median, percentile } from "../statistics.mjs"
import { commitLatency, set } from "./commitLatency.mjs"
import { delays } from "./oneServer.mjs"
import { turnsOf, withEachBuild } from "./together.mjs"

/** How long a reader waits between two reads of a card, in milliseconds. */
const readsPauseMs = 2

const rows = delays.flatMap((delayMs) =>
  [
    [0, 0],
    [40, 1],
    [40, 4]
  ].map(([workers, processes]) => ({ delayMs, workers, processes, readsPauseMs }))
)

const schema = "bench_scaling_reads"

/** The most processes that write, and one that reads. */
const places = Array.from({ length: Math.max(...rows.map(({ processes }) => processes)) + 1 }, () => ({ schema }))

/** Measures this build, and the previous one if there is one. */
export const reads = async (context, say) => {
  await set(context.url, { commit_siblings: 0 })
  const measured = rows.map((row) => ({ row, times: { now: [], before: [] }, perSecond: [], commitMs: [] }))
  await withEachBuild(context, places, say, async (crew, name, repetition) => {
    for (const index of turnsOf(rows, repetition)) {
      const { commitMs, perSecond, row, times } = measured[index]
      await set(context.url, { commit_delay: row.delayMs * 1000 })
      commitMs.push(await commitLatency(context.url))
      const one = await crew.measure(row)
      times[name].push(one.readMs)
      if (name === "now") perSecond.push(one.perSecond)
      say(
        `reads ${name}, ${row.processes} processes write, ${row.delayMs} ms more: p99 ${percentile(one.readMs, 0.99).toFixed(1)} ms`
      )
    }
    await set(context.url, { commit_delay: 0 })
  })
  const medianOf = (all, part) => Number(median(all.map((readMs) => percentile(readMs, part))).toPrecision(3))
  return measured.map(({ commitMs, perSecond, row, times }) => ({
    ...row,
    commitMs: Number(median(commitMs).toPrecision(3)),
    perSecond: Math.round(median(perSecond)),
    p50Ms: medianOf(times.now, 0.5),
    p99Ms: medianOf(times.now, 0.99),
    ...(times.before.length === 0 ? {} : { previousP99Ms: medianOf(times.before, 0.99) })
  }))
}
