/**
 * A simulation of group commit: in each process commands wait while a transaction is in flight and then share the next one,
 * and the processes lock the head row of the log one after the other. Costs are in milliseconds.
 */
import { Random } from "../random.mjs"

/** Maximum commands that the service's queue puts into one transaction. */
export const callersPerBatch = 256

/** The number of simulated batches. The first tenth does not count. */
const batches = 4000

/** The random variation of a batch's cost, so that processes do not run in step. */
const spread = 0.3

/**
 * Simulates workers in a closed loop, each with a number of commands per call: the commands per second, and the size of
 * batches. A batch costs `fixedMs`, and `perCommandMs` for each command. A share of that, `heldShare`, is spent with the
 * head row locked, and then `commitMs`; half of the rest comes before, half after.
 */
export const simulate = ({
  commandsEach = 1,
  commitMs,
  fixedMs,
  heldShare = 1,
  perCommandMs,
  processes = 1,
  workers
}) => {
  const random = new Random(1)
  const varied = (mean) => mean * (1 - spread + 2 * spread * random.fraction())
  const all = Array.from({ length: processes }, (_, index) => ({
    waiting: Math.floor(workers / processes) + (index < workers % processes ? 1 : 0),
    taken: 0,
    outside: 0,
    held: 0
  }))
  const agenda = []
  const later = (now, delay, act) => agenda.push({ at: now + delay, act })
  const forHead = []
  let isHeld = false
  const soFar = { at: 0, commands: 0, batches: 0 }
  let before

  const begin = (process, now) => {
    process.taken = Math.min(process.waiting, callersPerBatch)
    if (process.taken === 0) return
    process.waiting -= process.taken
    const cost = varied(fixedMs + perCommandMs * process.taken * commandsEach)
    process.held = cost * heldShare + varied(commitMs)
    process.outside = (cost * (1 - heldShare)) / 2
    later(now, process.outside, (at) => {
      forHead.push(process)
      giveHead(at)
    })
  }
  const giveHead = (now) => {
    if (isHeld || forHead.length === 0) return
    isHeld = true
    const process = forHead.shift()
    later(now, process.held, (at) => {
      isHeld = false
      later(at, process.outside, (end) => answer(process, end))
      giveHead(at)
    })
  }
  const answer = (process, now) => {
    soFar.at = now
    soFar.batches++
    soFar.commands += process.taken * commandsEach
    // Workers with a response call again before the next batch starts.
    process.waiting += process.taken
    if (soFar.batches === Math.ceil(batches / 10)) before = { ...soFar }
    begin(process, now)
  }

  for (const process of all) begin(process, 0)
  while (soFar.batches < batches) {
    let next = 0
    for (let index = 1; index < agenda.length; index++) if (agenda[index].at < agenda[next].at) next = index
    const [{ act, at }] = agenda.splice(next, 1)
    act(at)
  }
  const commands = soFar.commands - before.commands
  return {
    commandsPerSecond: (commands / (soFar.at - before.at)) * 1000,
    commandsPerBatch: commands / (soFar.batches - before.batches)
  }
}

/** Fits `fixedMs` and `perCommandMs`, with the smallest relative errors at `[size, milliseconds]`. */
export const fitCosts = (points) => {
  let [weights, sizes, squares, times, products] = [0, 0, 0, 0, 0]
  for (const [size, milliseconds] of points) {
    const weight = 1 / milliseconds ** 2
    weights += weight
    sizes += weight * size
    squares += weight * size * size
    times += weight * milliseconds
    products += weight * size * milliseconds
  }
  const perCommandMs = (weights * products - sizes * times) / (weights * squares - sizes ** 2)
  return { perCommandMs, fixedMs: (times - perCommandMs * sizes) / weights }
}

/** Fits the share of a batch's cost with the head row locked to the measurements of several processes. */
export const fitHeldShare = (costs, { commandsPerSecond, processes, workers }) => {
  const errorOf = (heldShare) =>
    Math.abs(simulate({ ...costs, heldShare, processes, workers }).commandsPerSecond - commandsPerSecond)
  const shares = Array.from({ length: 21 }, (_, index) => index / 20)
  const errors = shares.map(errorOf)
  return shares[errors.indexOf(Math.min(...errors))]
}

/** Checks the simulation in cases with a known result. Throws when it differs. */
export const checkSimulation = () => {
  const costs = { fixedMs: 2, perCommandMs: 0.1, commitMs: 1 }
  const expect = (name, rate, expected) => {
    if (Math.abs(rate / expected - 1) > 0.01) throw new Error(`simulation, ${name}: ${rate} instead of ${expected}`)
  }
  const rateOf = (more) => simulate({ ...costs, ...more }).commandsPerSecond
  for (const workers of [1, 10, 256]) {
    expect(`${workers} workers`, rateOf({ workers }), (workers * 1000) / (2 + 0.1 * workers + 1))
  }
  expect("more than a batch takes", rateOf({ workers: 512 }), 256_000 / (2 + 25.6 + 1))
  expect("100 commands each", rateOf({ workers: 2, commandsEach: 100 }), 200_000 / (2 + 20 + 1))
  expect("a head held all the time", rateOf({ workers: 40, processes: 4 }), 10_000 / (2 + 1 + 1))
  expect(
    "a head held for the commit only",
    simulate({ fixedMs: 0.001, perCommandMs: 0, commitMs: 5, heldShare: 0, workers: 2, processes: 2 })
      .commandsPerSecond,
    200
  )
  const { fixedMs, perCommandMs } = fitCosts([1, 16, 256].map((size) => [size, 3 + size / 10]))
  expect("the fitted fixed cost", fixedMs, 3)
  expect("the fitted cost of a command", perCommandMs, 0.1)
}
