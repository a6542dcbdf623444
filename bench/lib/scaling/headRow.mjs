/**
 * A simulation of group commit: in each process commands wait while a transaction is in flight and then share the next one,
 * the processes lock the head row of the log one after the other, and share the flushes of the write-ahead log. Costs are in
 * milliseconds.
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
 * batches. A batch costs `fixedMs` and `perCommandMs` for each command, of the time of one of the processors. A share of that,
 * `heldShare`, is spent with the head row locked; half of the rest comes before, half after.
 *
 * A process that is alone holds the head row until its commit is durable. With several processes, a batch releases the head row and
 * then waits for a flush. One flush runs at a time. It takes `commitMs`, and makes everything durable that was committed before it
 * began.
 */
export const simulate = ({
  commandsEach = 1,
  commitMs,
  fixedMs,
  heldShare = 1,
  perCommandMs,
  processes = 1,
  processors = Infinity,
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
  const soFar = { at: 0, commands: 0, batches: 0 }
  let before

  /** Gives something to those that want it, in the order in which they ask: `take` waits, `give` hands on. */
  const queueFor = (available) => {
    const wanting = []
    const next = (now) => {
      if (available <= 0 || wanting.length === 0) return
      available--
      wanting.shift()(now)
    }
    return {
      take: (now, act) => {
        wanting.push(act)
        next(now)
      },
      give: (now) => {
        available++
        next(now)
      }
    }
  }
  const head = queueFor(1)
  const processor = queueFor(processors)
  const compute = (now, duration, act) =>
    processor.take(now, (began) =>
      later(began, duration, (end) => {
        processor.give(end)
        act(end)
      })
    )

  let isFlushing = false
  let forFlush = []
  const flush = (now) => {
    if (isFlushing || forFlush.length === 0) return
    const covered = forFlush
    forFlush = []
    isFlushing = true
    later(now, varied(commitMs), (end) => {
      isFlushing = false
      for (const act of covered) act(end)
      flush(end)
    })
  }
  const waitForFlush = (now, act) => {
    forFlush.push(act)
    flush(now)
  }

  const begin = (process, now) => {
    process.taken = Math.min(process.waiting, callersPerBatch)
    if (process.taken === 0) return
    process.waiting -= process.taken
    const cost = varied(fixedMs + perCommandMs * process.taken * commandsEach)
    process.held = cost * heldShare
    process.outside = (cost * (1 - heldShare)) / 2
    compute(now, process.outside, (at) => head.take(at, (held) => hold(process, held)))
  }
  const hold = (process, now) =>
    compute(now, process.held, (at) => {
      const isEarly = processes > 1
      if (isEarly) head.give(at)
      waitForFlush(at, (durable) => {
        if (!isEarly) head.give(durable)
        compute(durable, process.outside, (end) => answer(process, end))
      })
    })
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
  expect("a head held all the time", rateOf({ workers: 40, processes: 4 }), 10_000 / (2 + 1))
  expect("one processor", rateOf({ workers: 40, processes: 4, heldShare: 0, processors: 1 }), 10_000 / (2 + 1))
  const onTwo = { workers: 80, processes: 8, heldShare: 0, processors: 2, commitMs: 0 }
  expect("two processors", rateOf(onTwo), 20_000 / (2 + 1))
  const flushes = { fixedMs: 0.001, perCommandMs: 0, commitMs: 5, heldShare: 0 }
  // A batch that commits during a flush waits for its end and for the next one.
  expect(
    "two processes that wait for flushes",
    simulate({ ...flushes, workers: 2, processes: 2 }).commandsPerSecond,
    200
  )
  expect("a head held until the flush", simulate({ ...flushes, workers: 1 }).commandsPerSecond, 200)
  const { fixedMs, perCommandMs } = fitCosts([1, 16, 256].map((size) => [size, 3 + size / 10]))
  expect("the fitted fixed cost", fixedMs, 3)
  expect("the fitted cost of a command", perCommandMs, 0.1)
}
