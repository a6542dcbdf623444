/**
 * One process of a service: receives a job, and sends a message when it is connected, when it is warm, and with what it measured.
 * After each it waits for the other processes, so that all of them work while any of them measures.
 */
import { Effect, Metric, Option, Result } from "effect"
import { once } from "node:events"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { setTimeout } from "node:timers/promises"

const [job] = await once(process, "message")
const { BacklogService, layerPostgres } = await import(pathToFileURL(join(job.build, "index.js")).href)

/** Sends a message, and waits until all processes have sent theirs. */
const told = async (message) => {
  const answered = once(process, "message")
  process.send(message)
  await answered
}

/** The number of transactions so far, and of commands in them. */
const batchesSoFar = Effect.map(Metric.snapshot, (metrics) => {
  const state = metrics.find(({ id }) => id === "backlog_batch_commands")?.state
  return { batches: state?.count ?? 0, commands: state?.sum ?? 0 }
})

const actor = "bench"
const claim = (backlog, owner) => backlog.claim({ owner, actor })
const complete = (backlog, { claimToken, id }) => backlog.complete({ id, token: claimToken, actor })

const one = Effect.fnUntraced(function* (backlog, owner) {
  const claimed = yield* claim(backlog, owner)
  if (Option.isNone(claimed)) return 0
  yield* complete(backlog, claimed.value)
  return 1
})

const many = (limit) =>
  Effect.fnUntraced(function* (backlog, owner) {
    const claimed = yield* backlog.claimMany({ owner, limit, actor })
    if (claimed.length === 0) return 0
    const completions = claimed.map(({ claimToken, id }) => ({ id, token: claimToken }))
    const outcomes = yield* backlog.completeMany({ completions, actor })
    if (!outcomes.every(Result.isSuccess)) throw new Error("a claim was lost")
    return claimed.length
  })

/** How long a window of the warm-up takes, in milliseconds. */
const windowMs = 2000

/** Processor time of this process with all its threads, in milliseconds. */
const cpuMillis = () => {
  const { system, user } = process.cpuUsage()
  return (user + system) / 1000
}

/**
 * Whether the processor time for each operation no longer decreases. A new process takes several times as much until its code
 * is optimized.
 */
const isSteady = (windows) => {
  const [best, before, last] = [Math.min(...windows.slice(0, -2)), windows.at(-2), windows.at(-1)]
  return windows.length > 2 && before > best * 0.95 && last > best * 0.95
}

/** Waits until a process is warm, or until `maxSeconds` have passed or half of its cards are used. */
const warmUp = async ({ cards, counted, maxSeconds, minSeconds }) => {
  const started = performance.now()
  const windows = []
  let before = { cpu: cpuMillis(), operations: 0 }
  for (;;) {
    await setTimeout(Math.min(windowMs, maxSeconds * 1000))
    const seconds = (performance.now() - started) / 1000
    const now = { cpu: cpuMillis(), operations: counted() }
    if (now.operations > before.operations) windows.push((now.cpu - before.cpu) / (now.operations - before.operations))
    before = now
    if (seconds >= maxSeconds || now.operations > cards / 2 || (seconds >= minSeconds && isSteady(windows))) return
  }
}

/**
 * Each worker claims and completes a card, or many with one call, in a loop, from before the measured time until after the
 * measured time of all processes.
 */
const inLoops = Effect.fnUntraced(function* (
  backlog,
  { cards, commandsEach, maxWarmUpSeconds, seconds, warmUpSeconds, workers }
) {
  const turn = commandsEach === 1 ? one : many(commandsEach)
  const end = new AbortController()
  let operations = 0
  let latencies = []
  const loop = (owner) =>
    Effect.gen(function* () {
      while (!end.signal.aborted) {
        const started = performance.now()
        const count = yield* turn(backlog, owner)
        if (count === 0) throw new Error("there are too few cards")
        operations += count
        latencies.push(performance.now() - started)
      }
    })
  const measure = async () => {
    await warmUp({ cards, counted: () => operations, minSeconds: warmUpSeconds, maxSeconds: maxWarmUpSeconds })
    await told("warm")
    const before = await Effect.runPromise(batchesSoFar)
    const started = performance.now()
    const operationsBefore = operations
    latencies = []
    // A call of many cards takes long: at least ten of them are measured.
    while (performance.now() - started < seconds * 1000 || latencies.length < 10) await setTimeout(50)
    const measured = { operations: operations - operationsBefore, milliseconds: performance.now() - started, latencies }
    latencies = []
    const after = await Effect.runPromise(batchesSoFar)
    await told({
      ...measured,
      callsPerBatch: (after.commands - before.commands) / (after.batches - before.batches)
    })
    end.abort()
  }
  yield* Effect.all(
    [
      Effect.promise(measure),
      Effect.forEach(
        Array.from({ length: workers }, (_, worker) => `worker-${worker}`),
        loop,
        { concurrency: "unbounded", discard: true }
      )
    ],
    { concurrency: "unbounded", discard: true }
  )
})

/** A card that the workers complete early, so that reads do not wait for its row. */
const readCard = "card-0000000"

/** Reads one card again and again, with a pause, while other processes write. */
const inReads = Effect.fnUntraced(function* (backlog, { pauseMs, seconds, warmUpSeconds }) {
  const readFor = async (forSeconds) => {
    const latencies = []
    const until = performance.now() + forSeconds * 1000
    while (performance.now() < until) {
      const started = performance.now()
      await Effect.runPromise(backlog.get(readCard))
      latencies.push(performance.now() - started)
      await setTimeout(pauseMs)
    }
    return latencies
  }
  yield* Effect.promise(async () => {
    await readFor(warmUpSeconds)
    await told("warm")
    await told({ latencies: await readFor(seconds) })
  })
})

/** Concurrent claims, then as many concurrent completions: how long each took, and in how many transactions. */
const inBursts = Effect.fnUntraced(function* (backlog, { seconds, sizes, warmUpSeconds }) {
  const burstsOf = Effect.fnUntraced(function* (size, forSeconds) {
    const owners = Array.from({ length: size }, (_, worker) => `worker-${worker}`)
    const times = []
    const atOnce = Effect.fnUntraced(function* (effects) {
      const started = performance.now()
      const answers = yield* Effect.all(effects, { concurrency: "unbounded" })
      times.push(performance.now() - started)
      return answers
    })
    const before = yield* batchesSoFar
    const until = performance.now() + forSeconds * 1000
    while (performance.now() < until || times.length < 4) {
      const claimed = yield* atOnce(owners.map((owner) => claim(backlog, owner)))
      yield* atOnce(claimed.map((card) => complete(backlog, Option.getOrThrow(card))))
    }
    const after = yield* batchesSoFar
    return { size, times, batchesPerBurst: (after.batches - before.batches) / times.length }
  })
  for (const size of [1, 32]) yield* burstsOf(size, warmUpSeconds)
  const measured = []
  yield* Effect.promise(() => told("warm"))
  for (const size of sizes) measured.push(yield* burstsOf(size, seconds))
  yield* Effect.promise(() => told(measured))
})

const kinds = { loops: inLoops, bursts: inBursts, reads: inReads }

await Effect.runPromise(
  Effect.gen(function* () {
    const backlog = yield* BacklogService
    yield* backlog.stats
    yield* Effect.promise(() => told("ready"))
    yield* kinds[job.kind](backlog, job)
  }).pipe(Effect.provide(layerPostgres({ url: job.url, schema: job.schema, ...job.options })))
)
process.disconnect()
