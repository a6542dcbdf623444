/**
 * A backlog in steady use for a long time while a transaction keeps an old snapshot, so that no dead row can be removed.
 * Claims must not become slower.
 */
import { Effect } from "effect"
import { Client } from "pg"
import { withConnection } from "../lib/withConnection.mjs"
import { cardId, plainCards } from "../lib/population.mjs"
import { schemaOf } from "../lib/schemas.mjs"
import { percentile } from "../lib/statistics.mjs"
import * as mosaic from "../lib/systems/mosaic.mjs"

const workers = 10
const size = 1000
const samples = 60

export const scenarios = (context) => {
  const minutes = context.soakMinutes ?? (context.quick ? 0.1 : 10)
  if (minutes === 0) return []
  const place = { database: "postgres", schema: schemaOf("soak") }
  return [
    {
      id: "soak, snapshot held, postgres",
      scenario: "soak, snapshot held",
      system: mosaic.name,
      database: "postgres",
      workers,
      size,
      unit: "cards",
      repetitions: 1,
      beforeEach: () => mosaic.fill(context, place, plainCards(size)),
      measure: () => soak(context, place, minutes * 60_000),
      afterEach: () => mosaic.remove(context, place)
    }
  ]
}

const deadRows = (client, { schema }) =>
  Effect.map(
    Effect.promise(() =>
      client.query("SELECT coalesce(sum(n_dead_tup), 0)::int AS count FROM pg_stat_user_tables WHERE schemaname = $1", [
        schema
      ])
    ),
    ({ rows }) => rows[0].count
  )

/** Each worker creates a card, claims the best and completes it, in a loop. */
const soak = async (context, place, milliseconds) => {
  const reader = new Client({ connectionString: context.url })
  await reader.connect()
  await reader.query("BEGIN ISOLATION LEVEL REPEATABLE READ")
  await reader.query(`SELECT count(*) FROM ${place.schema}.cards`)
  try {
    return await withConnection(context.url, (client) =>
      mosaic.withBacklog(context, place, (backlog) => inUse(backlog, deadRows(client, place), milliseconds))
    )
  } finally {
    await reader.end()
  }
}

const inUse = (backlog, countDead, milliseconds) =>
  Effect.gen(function* () {
    const started = performance.now()
    const elapsed = () => performance.now() - started
    const claims = []
    const series = []
    let next = size
    const loop = (owner) =>
      Effect.gen(function* () {
        while (elapsed() < milliseconds) {
          const id = cardId(next++)
          yield* backlog.create({ id, title: id, actor: owner })
          const asked = performance.now()
          const card = mosaic.found(yield* backlog.claim({ owner, actor: owner }))
          claims.push(performance.now() - asked)
          yield* backlog.complete({ id: card.id, token: card.claimToken, actor: owner })
        }
      })
    const observe = Effect.gen(function* () {
      let seen = 0
      for (let sample = 1; sample <= samples; sample++) {
        yield* Effect.sleep(Math.max(0, (milliseconds * sample) / samples - elapsed()))
        const some = claims.slice(seen)
        seen = claims.length
        series.push({
          seconds: Math.round(elapsed() / 100) / 10,
          deadRows: yield* countDead,
          claims: some.length,
          claimP50Ms: some.length === 0 ? null : percentile(some, 0.5),
          claimP99Ms: some.length === 0 ? null : percentile(some, 0.99)
        })
      }
    })
    yield* Effect.all([...Array.from({ length: workers }, (_, worker) => loop(`worker-${worker}`)), observe], {
      concurrency: "unbounded",
      discard: true
    })
    const tenth = Math.floor(claims.length / 10)
    return {
      operations: claims.length,
      milliseconds: elapsed(),
      latencies: claims,
      parts: { "first tenth": claims.slice(0, tenth), "last tenth": claims.slice(-tenth) },
      series
    }
  })
