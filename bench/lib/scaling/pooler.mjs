/** The service behind PgBouncer, in both of its modes, and without PgBouncer. */
import { Effect, Fiber, Layer, Stream } from "effect"
import { findPgbouncer, supportsPreparedStatements, startPgbouncer } from "../pgbouncer.mjs"
import { plainCards } from "../population.mjs"
import { median } from "../statistics.mjs"
import { fill } from "../systems/mosaic.mjs"
import { verify, withServices } from "./backlog.mjs"
import { withCrew } from "./crew.mjs"
import { measureAlternating } from "./together.mjs"

const schema = "bench_scaling_0"
const workersTried = [1, 40]

/** The connections to the server: `{ way, prepare, start }`. */
const waysBy = (poolers) => [
  { way: "direct", prepare: true },
  { way: "direct", prepare: false },
  ...poolers.flatMap((pooler) =>
    ["session", "transaction"].flatMap((mode) =>
      [true, false]
        // Prepared statements are the default, and are known not to work in transaction mode.
        .filter((prepare) => prepare || mode === "transaction")
        .map((prepare) => ({ way: `PgBouncer ${pooler.version}, ${mode}`, mode, pooler, prepare }))
    )
  )
]

export const pooler = async (context, say) => {
  const named = context.pgbouncers
  const found = await Promise.all((named.length === 0 ? [undefined] : named).map((program) => findPgbouncer(program)))
  const poolers = found.filter((one) => one !== undefined)
  if (poolers.length < Math.max(1, named.length)) {
    const missing = named.filter((_, index) => found[index] === undefined)
    say(`left out: no PgBouncer ${missing.length === 0 ? "was found; --pgbouncer PATH names one" : missing.join()}`)
    if (poolers.length === 0) return null
  }
  const started = []
  try {
    const ways = []
    for (const { mode, pooler: one, ...way } of waysBy(poolers)) {
      if (one === undefined) {
        ways.push({ ...way, url: context.url })
        continue
      }
      const settings = {
        pool_mode: mode,
        default_pool_size: 50,
        ...(mode === "transaction" && way.prepare && supportsPreparedStatements(one)
          ? { max_prepared_statements: 200 }
          : {})
      }
      const instance = await startPgbouncer(one, context.directory, context, settings)
      started.push(instance)
      ways.push({ ...way, url: instance.url })
    }
    const facts = new Map()
    for (const way of ways) {
      const fact = await factsOf(context, way)
      facts.set(way, fact)
      say(`${way.way}, prepare ${way.prepare}: ${fact.failure ?? `received after ${fact.heardMs.toFixed(0)} ms`}`)
    }
    const usable = ways.filter((way) => facts.get(way).failure === null)
    const rows = usable.flatMap((way) => workersTried.map((workers) => ({ way, workers })))
    const places = usable.map(({ prepare, url }) => ({ schema, url, options: { prepare } }))
    const measured = await withCrew(context, places, say, async (crew) => {
      const rates = await measureAlternating(rows, context.repetitions, async ({ way, workers }) => {
        const one = await crew.measureAlone(usable.indexOf(way), workers)
        say(`${way.way}, prepare ${way.prepare}, ${workers} workers: ${one.perSecond.toFixed(0)} cards/s`)
        return one
      })
      await verify(context, schema)
      return rates
    })
    return ways.map((way) => ({
      way: way.way,
      prepare: way.prepare,
      ...facts.get(way),
      rates: measured
        .filter((row) => row.way === way)
        .map(({ p50Ms, perSecond, workers }) => ({ workers, perSecond, p50Ms }))
    }))
  } finally {
    for (const one of started) await one.stop()
  }
}

const messageOf = (error) => {
  let cause = error
  while (cause.reason?.cause !== undefined || cause.cause !== undefined) cause = cause.reason?.cause ?? cause.cause
  return cause.message
}

/** Checks whether it works, what the doctor reports, and how long a follower takes to receive another process's commit. */
const factsOf = async (context, { prepare, url }) => {
  await fill(context, { database: "postgres", schema }, plainCards(200))
  const place = { schema, url, options: { prepare } }
  try {
    await withServices(context, place, triedBy)
    const found = await withServices(context, place, ({ BacklogSchema, diagnose, Doctor }) =>
      Effect.gen(function* () {
        return diagnose(yield* (yield* Doctor).examine)
      }).pipe(Effect.provide(Layer.provide(Doctor.layer, Layer.succeed(BacklogSchema)(schema))))
    )
    const doctor = found
      .filter(({ check }) => check === "pooler" || check === "notifications")
      .map(({ check, level }) => ({ check, level }))
    return { failure: null, doctor, heardMs: await heardAfter(context, place) }
  } catch (error) {
    return { failure: messageOf(error).replace(/"effect_\w+"/, "…"), doctor: [], heardMs: null }
  }
}

/** Enough commands, in sequence and concurrently, for a statement to meet a connection that has not prepared it. */
const triedBy = ({ AuditService, BacklogService }) =>
  Effect.gen(function* () {
    const backlog = yield* BacklogService
    const audit = yield* AuditService
    const owner = "bench"
    yield* Effect.forEach(
      Array.from({ length: 8 }, (_, worker) => worker),
      () =>
        Effect.gen(function* () {
          for (let card = 0; card < 5; card++) {
            const { claimToken, id } = yield* Effect.fromOption(yield* backlog.claim({ owner, actor: owner }))
            yield* backlog.get(id)
            yield* backlog.stats
            yield* backlog.list({ limit: 10 })
            yield* backlog.complete({ id, token: claimToken, actor: owner })
          }
        }),
      { concurrency: "unbounded", discard: true }
    )
    yield* audit.verify()
  })

/** How long after a commit in another program a follower receives its event: a median. */
const heardAfter = async (context, place) => {
  const times = []
  await withServices(context, place, ({ AuditService }) =>
    Effect.gen(function* () {
      const audit = yield* AuditService
      const { position } = yield* audit.verify()
      let onReceived
      const follower = yield* Effect.forkScoped(
        Stream.runForEach(audit.events({ after: position, follow: true }), () =>
          Effect.sync(() => onReceived?.(performance.now()))
        )
      )
      // Waits until the follower listens.
      yield* Effect.sleep("500 millis")
      yield* Effect.promise(() =>
        withServices(context, { schema }, ({ BacklogService }) =>
          Effect.gen(function* () {
            const backlog = yield* BacklogService
            for (let commit = 0; commit < 7; commit++) {
              const when = new Promise((resolve) => {
                onReceived = resolve
              })
              const actor = "bench"
              yield* backlog.create({ id: `received-${commit}`, title: "Received", actor })
              const committed = performance.now()
              times.push((yield* Effect.promise(() => when)) - committed)
              // Not synchronous with the follower's poll each second.
              yield* Effect.sleep(130 * commit)
            }
          })
        )
      )
      yield* Fiber.interrupt(follower)
    })
  )
  return Math.max(0, Number(median(times).toPrecision(3)))
}
