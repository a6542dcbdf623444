/** A server whose commits wait for a replica, compared with the server alone; and the loss of either. */
import { Effect, Fiber, Option } from "effect"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { withConnection } from "../withConnection.mjs"
import { replicaName, startPostgres, startReplica } from "../postgres.mjs"
import { plainCards } from "../population.mjs"
import { median } from "../statistics.mjs"
import { fill } from "../systems/mosaic.mjs"
import { verify, withServices } from "./backlog.mjs"
import { commitLatency, set } from "./commitLatency.mjs"
import { withCrew } from "./crew.mjs"
import { measureAlternating } from "./together.mjs"

const schema = "bench_scaling_0"
const loopsTried = [
  { processes: 1, workers: 1 },
  { processes: 1, workers: 10 },
  { processes: 1, workers: 40 },
  { processes: 4, workers: 40 },
  { processes: 10, workers: 10 }
]

/** Settings of the primary server. */
const modes = {
  "no replica": undefined,
  asynchronous: { synchronous_standby_names: "", synchronous_commit: "on" },
  "synchronous, on": { synchronous_standby_names: replicaName, synchronous_commit: "on" },
  "synchronous, remote_apply": { synchronous_standby_names: replicaName, synchronous_commit: "remote_apply" }
}

/** Waits until the replica has applied everything from the primary. */
const caughtUp = (url) =>
  withConnection(url, async (client) => {
    for (;;) {
      const { rows } = await client.query("SELECT replay_lsn >= pg_current_wal_lsn() AS done FROM pg_stat_replication")
      if (rows[0]?.done === true) return
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  })

export const replica = async (given, say) => {
  const directory = join(given.directory, "replicated")
  mkdirSync(directory)
  const primary = await startPostgres(directory)
  const follower = await followerOf(primary, directory)
  const context = { ...given, url: primary.url }
  const setTo = async (mode) => {
    if (modes[mode] === undefined) {
      await set(primary.url, modes.asynchronous)
      return follower.end("SIGINT")
    }
    await follower.start()
    await caughtUp(primary.url)
    await set(primary.url, modes[mode])
  }
  try {
    const rows = Object.keys(modes).flatMap((mode) => loopsTried.map((loops) => ({ mode, ...loops })))
    const latencies = new Map()
    const places = Array.from({ length: Math.max(...loopsTried.map(({ processes }) => processes)) }, () => ({ schema }))
    const rates = await withCrew(context, places, say, (crew) =>
      measureAlternating(rows, given.repetitions, async ({ mode, processes, workers }) => {
        await setTo(mode)
        latencies.set(mode, [...(latencies.get(mode) ?? []), await commitLatency(primary.url)])
        const one = await crew.measure({ processes, workers })
        say(`${mode}, ${workers} workers in ${processes}: ${one.perSecond.toFixed(0)} cards/s`)
        return one
      })
    )
    await verify(context, schema)
    await setTo("synchronous, on")
    // A replica can serve audits too.
    await verify({ ...context, url: follower.url }, schema)
    const replicaLost = await loseReplica(context, primary, follower)
    say(`replica lost: ${JSON.stringify(replicaLost)}`)
    await setTo("synchronous, on")
    const waitEnded = await endWait(context, primary, follower)
    say(`replica lost, the wait is ended: ${JSON.stringify(waitEnded)}`)
    await setTo("synchronous, on")
    const primaryLost = await losePrimary(context, primary, follower)
    say(`primary killed: ${JSON.stringify(primaryLost)}`)
    return {
      rates: rates.map((row) => ({ ...row, commitMs: Number(median(latencies.get(row.mode)).toPrecision(3)) })),
      replicaLost,
      waitEnded,
      primaryLost
    }
  } finally {
    await follower.end("SIGQUIT")
    await primary.end("SIGQUIT")
  }
}

/** A replica that ends and restarts. */
const followerOf = async (primary, directory) => {
  let server = await startReplica(primary, directory)
  const { startAgain, url } = server
  return {
    url,
    start: async () => {
      server ??= await startAgain()
    },
    end: async (signal) => {
      await server?.end(signal)
      server = undefined
    }
  }
}

/** Workers that complete cards until they are interrupted. Counts the responses. */
const workOn = Effect.fnUntraced(function* (backlog, counted, workers = 10) {
  const actor = "bench"
  yield* Effect.forEach(
    Array.from({ length: workers }, (_, worker) => worker),
    () =>
      Effect.gen(function* () {
        for (;;) {
          const claimed = yield* backlog.claim({ owner: actor, actor })
          if (Option.isNone(claimed)) return
          yield* backlog.complete({ id: claimed.value.id, token: claimed.value.claimToken, actor })
          counted.add(claimed.value.id)
        }
      }),
    { concurrency: "unbounded", discard: true }
  )
})

/** Waits for a condition. */
const until = (condition) =>
  Effect.gen(function* () {
    while (!condition()) yield* Effect.sleep("5 millis")
  })

/** How long waiting commits are observed. */
const watched = 2000

/** The replica ends under load: which commands get a response, and what happens once the operator removes it. */
const loseReplica = async (context, primary, follower) => {
  await fill(context, { database: "postgres", schema }, plainCards(30_000))
  return withServices(context, { schema }, ({ BacklogService }) =>
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const done = new Set()
      const work = yield* Effect.forkScoped(workOn(backlog, done))
      yield* until(() => done.size > 200)
      yield* Effect.promise(() => follower.end("SIGQUIT"))
      // Responses to commits that the replica confirmed before may still arrive.
      yield* Effect.sleep("300 millis")
      const before = done.size
      yield* Effect.sleep(watched)
      const answeredMeanwhile = done.size - before
      const { counts } = yield* backlog.stats
      // An operator continues without the replica.
      yield* Effect.promise(() => set(primary.url, { synchronous_standby_names: "" }))
      const freed = performance.now()
      yield* until(() => done.size > before + 100)
      const goesOnAfterMs = Math.round(performance.now() - freed)
      yield* Fiber.interrupt(work)
      return { watchedMs: watched, answeredMeanwhile, couldRead: counts.done >= 0, goesOnAfterMs }
    })
  )
}

/**
 * What ends the wait of a command whose commit no replica has: not a statement timeout, but a cancellation, after which the
 * command gets a response.
 */
const endWait = async (context, primary, follower) => {
  const url = new URL(context.url)
  url.searchParams.set("options", "-c statement_timeout=500")
  return withServices(context, { schema, url: url.href }, ({ BacklogService }) =>
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const create = (id) => backlog.create({ id, title: id, actor: "bench" })
      yield* create("before")
      yield* Effect.promise(() => follower.end("SIGQUIT"))
      const waiting = yield* Effect.forkScoped(create("meanwhile"))
      yield* Effect.sleep(watched)
      const timedOut = waiting.pollUnsafe() !== undefined
      const canceled = yield* Effect.promise(() =>
        withConnection(primary.url, async (client) => {
          const { rows } = await client.query(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
          )
          return rows.length
        })
      )
      const exit = yield* Fiber.await(waiting).pipe(Effect.timeoutOption("5 seconds"))
      // Nothing waits for the replica any more.
      yield* Effect.promise(() => follower.start())
      return {
        watchedMs: watched,
        timedOut,
        canceled,
        outcome: Option.match(exit, { onNone: () => "waiting", onSome: ({ _tag }) => _tag })
      }
    })
  )
}

/** The primary is killed under load, and the replica is promoted: every acknowledged command must be there. */
const losePrimary = async (context, primary, follower) => {
  await fill(context, { database: "postgres", schema }, plainCards(30_000))
  const done = new Set()
  await withServices(context, { schema }, ({ BacklogService }) =>
    Effect.gen(function* () {
      const work = yield* Effect.forkScoped(Effect.exit(Effect.flatMap(BacklogService, (one) => workOn(one, done))))
      yield* until(() => done.size > 1000)
      yield* Effect.promise(() => primary.end("SIGKILL"))
      yield* Fiber.await(work)
    })
  )
  const promoted = { ...context, url: follower.url }
  await withConnection(follower.url, (client) => client.query("SELECT pg_promote()"))
  const kept = await withConnection(follower.url, async (client) => {
    const { rows } = await client.query(`SELECT id FROM ${schema}.cards WHERE status = 'done'`)
    return new Set(rows.map(({ id }) => id))
  })
  await verify(promoted, schema)
  const missing = [...done].filter((id) => !kept.has(id)).length
  return { answered: done.size, missing }
}
