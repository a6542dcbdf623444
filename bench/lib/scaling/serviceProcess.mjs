/**
 * A process of a service. Receives where its backlog is, reports when it is connected, and then carries out one round after the
 * other: each message is a round, and each response is what was measured. `null` ends the process.
 */
import { Effect, Metric, Option, Result } from "effect"
import { once } from "node:events"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { pathToFileURL } from "node:url"

// Without it, the connections to the database would keep a process whose parent was killed.
process.once("disconnect", () => process.exit())
const [place] = await once(process, "message")
const { BacklogService, layerPostgres } = await import(pathToFileURL(join(place.build, "index.js")).href)

/** The number of transactions so far, and of commands in them. */
const batchesSoFar = Effect.map(Metric.snapshot, (metrics) => {
  const state = metrics.find(({ id }) => id === "backlog_batch_commands")?.state
  return { batches: state?.count ?? 0, commands: state?.sum ?? 0 }
})

/** Processor time of this process with all its threads, in milliseconds. */
const cpuMillis = () => {
  const { system, user } = process.cpuUsage()
  return (user + system) / 1000
}

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

/**
 * How long the processes of a round work before the measured time, in milliseconds: they do not begin at once, and those that have been
 * idle while others were measured are slower at first.
 */
const settlingMs = 1_000

/** How long they work after it: they do not end at once. */
const marginMs = 400

/** Each worker claims and completes a card, or many with one call, in a loop. */
const inLoops = Effect.fnUntraced(function* (backlog, { commandsEach, seconds, workers }) {
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
  const measure = Effect.gen(function* () {
    yield* Effect.sleep(settlingMs)
    const batches = yield* batchesSoFar
    const [cpu, started] = [cpuMillis(), performance.now()]
    operations = 0
    latencies = []
    yield* Effect.sleep(seconds * 1000)
    const measured = { operations, milliseconds: performance.now() - started, latencies, cpuMillis: cpuMillis() - cpu }
    latencies = []
    const after = yield* batchesSoFar
    yield* Effect.sleep(marginMs)
    end.abort()
    return { ...measured, callsPerBatch: (after.commands - batches.commands) / (after.batches - batches.batches) }
  })
  const work = Effect.forEach(
    Array.from({ length: workers }, (_, worker) => `worker-${worker}`),
    loop,
    { concurrency: "unbounded", discard: true }
  )
  const [measured] = yield* Effect.all([measure, work], { concurrency: "unbounded" })
  return measured
})

/** A card that the workers complete early, so that its row does not change any more. */
const readCard = "card-0000000"

/** Reads one card again and again, with a pause, while other processes write. */
const inReads = Effect.fnUntraced(function* (backlog, { pauseMs, seconds }) {
  yield* Effect.sleep(settlingMs)
  const latencies = []
  const until = performance.now() + seconds * 1000
  while (performance.now() < until) {
    const started = performance.now()
    yield* backlog.get(readCard)
    latencies.push(performance.now() - started)
    yield* Effect.promise(() => setTimeout(pauseMs))
  }
  return { latencies }
})

/** Concurrent claims, then as many concurrent completions: how long each took, and in how many transactions. */
const inBursts = Effect.fnUntraced(function* (backlog, { seconds, size }) {
  const owners = Array.from({ length: size }, (_, worker) => `worker-${worker}`)
  const times = []
  const atOnce = Effect.fnUntraced(function* (effects) {
    const started = performance.now()
    const answers = yield* Effect.all(effects, { concurrency: "unbounded" })
    times.push(performance.now() - started)
    return answers
  })
  const before = yield* batchesSoFar
  const until = performance.now() + seconds * 1000
  while (performance.now() < until || times.length < 4) {
    const claimed = yield* atOnce(owners.map((owner) => claim(backlog, owner)))
    yield* atOnce(claimed.map((card) => complete(backlog, Option.getOrThrow(card))))
  }
  const after = yield* batchesSoFar
  return { size, times, batchesPerBurst: (after.batches - before.batches) / times.length }
})

const kinds = { loops: inLoops, bursts: inBursts, reads: inReads }

await Effect.runPromise(
  Effect.gen(function* () {
    const backlog = yield* BacklogService
    yield* backlog.stats
    let response = "ready"
    for (;;) {
      const next = once(process, "message")
      process.send(response)
      const [round] = yield* Effect.promise(() => next)
      if (round === null) return
      response = yield* kinds[round.kind](backlog, round)
    }
  }).pipe(Effect.provide(layerPostgres({ url: place.url, schema: place.schema, ...place.options })))
)
process.disconnect()
