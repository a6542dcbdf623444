/**
 * One process of a service: receives a job, reports when it is connected, waits for the others, and returns what it
 * measured.
 */
import { Effect, Metric, Option, Result } from "effect"
import { once } from "node:events"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { Meter } from "../meter.mjs"

const [job] = await once(process, "message")
const { BacklogService, layerPostgres } = await import(pathToFileURL(join(job.build, "index.js")).href)

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

/** Each worker claims and completes a card, or many with one call, in a loop. */
const inLoops = Effect.fnUntraced(function* (backlog, { cards, commandsEach, seconds, warmUpSeconds, workers }) {
  const atOnce = workers * commandsEach
  const meter = new Meter({ warmUpSeconds, seconds, available: cards, atOnce })
  const turn = commandsEach === 1 ? one : many(commandsEach)
  const loop = (owner) =>
    Effect.gen(function* () {
      while (!meter.isOver) {
        const started = performance.now()
        const count = yield* turn(backlog, owner)
        if (count === 0) return
        meter.done(count, performance.now() - started)
      }
    })
  const before = yield* batchesSoFar
  yield* Effect.forEach(
    Array.from({ length: workers }, (_, worker) => `worker-${worker}`),
    loop,
    { concurrency: "unbounded", discard: true }
  )
  meter.end()
  const after = yield* batchesSoFar
  return {
    ...meter.result(),
    callsPerBatch: (after.commands - before.commands) / (after.batches - before.batches)
  }
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
  for (const size of [1, 32]) yield* burstsOf(size, warmUpSeconds / 2)
  const measured = []
  for (const size of sizes) measured.push(yield* burstsOf(size, seconds))
  return measured
})

const kinds = { loops: inLoops, bursts: inBursts }

const measured = await Effect.runPromise(
  Effect.gen(function* () {
    const backlog = yield* BacklogService
    yield* backlog.stats
    process.send("ready")
    yield* Effect.promise(() => once(process, "message"))
    return yield* kinds[job.kind](backlog, job)
  }).pipe(Effect.provide(layerPostgres({ url: job.url, schema: job.schema, ...job.options })))
)
process.send(measured, () => process.disconnect())
