/** The capacity of one server, with one and several processes, at its own and at higher commit latencies. */
import { availableParallelism } from "node:os"
import { median } from "../statistics.mjs"
import { verify } from "./backlog.mjs"
import { commitLatency, set } from "./commitLatency.mjs"
import { fitCosts, fitHeldShare, simulate } from "./headRow.mjs"
import { mediansOf, withEachBuild } from "./together.mjs"

const processors = availableParallelism()

const sizes = [1, 2, 4, 8, 16, 32, 64, 128, 256]

/** The delays before each commit that the server is configured with, in milliseconds. */
export const delays = [0, 2, 5]

const rowsOf = (delayMs) =>
  (delayMs === 0
    ? [
        [1, 1],
        [10, 1],
        [40, 1],
        [100, 1],
        [40, 2],
        [40, 3],
        [40, 4],
        [10, 10],
        [1, 1, 100],
        [10, 1, 100]
      ]
    : [
        [1, 1],
        [10, 1],
        [40, 1],
        [40, 4],
        [10, 10]
      ]
  ).map(([workers, processes, commandsEach = 1]) => ({ delayMs, workers, processes, commandsEach }))

const schema = "bench_scaling_0"

/** The most processes of a row. */
const places = Array.from({ length: Math.max(...rowsOf(0).map(({ processes }) => processes)) }, () => ({ schema }))

/** Measures the cost of a batch by its size, from concurrent commands of single callers. */
const measureBatches = async (context, crew) => {
  const batches = []
  for (const size of sizes) {
    const [{ batchesPerBurst, times }] = await crew.run([{ kind: "bursts", size, seconds: context.seconds / 2 }])
    // Claims and completions alternate, and have different costs.
    const claims = median(times.filter((_, index) => index % 2 === 0))
    const completions = median(times.filter((_, index) => index % 2 === 1))
    batches.push({ size, batchesPerBurst, milliseconds: (claims + completions) / 2 })
  }
  return batches
}

/** Rounds a value for display. */
const precise = (value, digits = 3) => Number(value.toPrecision(digits))

/** Measures this build, and the previous one if there is one. */
export const oneServer = async (context, say) => {
  await set(context.url, { commit_siblings: 0 })
  const latencies = new Map()
  const latencyAt = async (delayMs) => {
    await set(context.url, { commit_delay: delayMs * 1000 })
    const one = await commitLatency(context.url)
    latencies.set(delayMs, [...(latencies.get(delayMs) ?? []), one])
  }
  const bursts = []
  const wanted = delays.flatMap(rowsOf)
  // First the rows with the most processes, directly after the warm-up: processes that have been idle are slower at first.
  const order = wanted.map((_, index) => index).sort((a, b) => wanted[b].processes - wanted[a].processes)
  const rates = { now: wanted.map(() => []), before: wanted.map(() => []) }
  await withEachBuild(context, places, say, async (crew, name) => {
    for (const index of order) {
      const { commandsEach, delayMs, processes, workers } = wanted[index]
      await latencyAt(delayMs)
      const one = await crew.measure(wanted[index])
      rates[name][index].push(one)
      say(
        `${name}: ${workers} workers in ${processes}, ${commandsEach} a call, ${delayMs} ms more: ` +
          `${one.perSecond.toFixed(0)} cards/s, ${one.cpuMicrosEach.toFixed(0)} µs of the client for each`
      )
    }
    await set(context.url, { commit_delay: 0 })
    if (name === "before") return
    await latencyAt(0)
    const batches = await measureBatches(context, crew)
    say(`a batch of 1: ${batches[0].milliseconds.toFixed(2)} ms, of 256: ${batches.at(-1).milliseconds.toFixed(1)} ms`)
    bursts.push(batches)
    await verify(context, schema)
  })
  const measured = wanted.map((row, index) => ({
    ...row,
    ...mediansOf(rates.now[index]),
    ...(context.previousBuild === undefined ? {} : { previousPerSecond: mediansOf(rates.before[index]).perSecond })
  }))

  const commitMs = new Map([...latencies].map(([delayMs, all]) => [delayMs, precise(median(all))]))
  const batches = sizes.map((size, index) => ({
    size,
    batchesPerBurst: median(bursts.map((all) => all[index].batchesPerBurst)),
    milliseconds: median(bursts.map((all) => all[index].milliseconds))
  }))
  const whole = fitCosts(batches.map(({ milliseconds, size }) => [size, milliseconds]))
  // The measurement includes the commit latency.
  const costs = { perCommandMs: whole.perCommandMs, fixedMs: Math.max(0, whole.fixedMs - commitMs.get(0)) }
  const two = measured.find(({ delayMs, processes }) => delayMs === 0 && processes === 2)
  const heldShare = fitHeldShare(
    { ...costs, commitMs: commitMs.get(0), processors },
    { workers: two.workers, processes: 2, commandsPerSecond: two.perSecond * 2 }
  )
  const rows = measured.map((row) => {
    const simulated = simulate({ ...costs, ...row, heldShare, processors, commitMs: commitMs.get(row.delayMs) })
    return {
      ...row,
      commitMs: commitMs.get(row.delayMs),
      simulatedPerSecond: precise(simulated.commandsPerSecond / 2, 4),
      // Rows that the simulation was fitted to do not show its quality.
      isFitted: row === two
    }
  })
  return {
    batches: batches.map((one) => ({
      ...one,
      milliseconds: precise(one.milliseconds),
      fittedMs: precise(whole.fixedMs + whole.perCommandMs * one.size)
    })),
    costs: {
      fixedMs: precise(costs.fixedMs),
      perCommandMs: precise(costs.perCommandMs),
      commitMs: commitMs.get(0),
      heldShare,
      processors
    },
    rows,
    simulated: simulatedFor({ ...costs, heldShare })
  }
}

/** Simulates commands per second at commit latencies and with processors that this machine does not have. */
const simulatedFor = (costs) =>
  [0.2, 1, 5].flatMap((commitMs) =>
    [
      ...[1, 10, 100, 1000].flatMap((workers) =>
        [1, 2, 4, 8]
          .filter((processes) => processes <= workers)
          .map((processes) => ({ workers, processes, commandsEach: 1 }))
      ),
      { workers: 10, processes: 1, commandsEach: 100 }
    ].map((row) => ({
      ...row,
      commitMs,
      commandsPerSecond: precise(simulate({ ...costs, ...row, commitMs }).commandsPerSecond, 3)
    }))
  )
