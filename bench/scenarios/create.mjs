/** Creating cards: one at a time, many at once with an edge each, and with labels. */
import { Effect } from "effect"
import { cardId, plainCards } from "../lib/population.mjs"
import { schemaOf } from "../lib/schemas.mjs"
import { addAll, plain as graphileWorker, withUtils } from "../lib/systems/graphileWorker.mjs"
import * as mosaic from "../lib/systems/mosaic.mjs"
import * as pgBoss from "../lib/systems/pgBoss.mjs"

const empty = () => []

const latenciesOf = async (count, call) => {
  const latencies = []
  for (let number = 0; number < count; number++) {
    const started = performance.now()
    await call(number)
    latencies.push(performance.now() - started)
  }
  return { operations: count, milliseconds: latencies.reduce((sum, one) => sum + one, 0), latencies }
}

const timed = async (operations, call) => {
  const started = performance.now()
  await call()
  return { operations, milliseconds: performance.now() - started }
}

/** One edge for each card, to the previous one of its ten. */
const withEdges = function* (count) {
  let number = 0
  for (const card of plainCards(count)) {
    yield number % 10 === 0 ? card : { ...card, dependsOn: [cardId(number - 1)] }
    number++
  }
}

/** The first calls of a process are slower than all others. */
const callsBefore = 50

/** Each system: how it creates one card, and how many at once. */
const creating = [
  {
    system: mosaic,
    database: "postgres",
    one: (context, place, count) =>
      mosaic.withBacklog(context, place, (backlog) =>
        Effect.promise(async () => {
          const create = (number) =>
            Effect.runPromise(backlog.create({ id: cardId(number), title: `Card ${number}`, actor: "bench" }))
          for (let number = 0; number < callsBefore; number++) await create(count + number)
          return latenciesOf(count, create)
        })
      ),
    many: (context, place, count) =>
      mosaic.withBacklog(context, place, (backlog) => {
        const cards = [...withEdges(count)]
        return Effect.promise(() =>
          timed(count, () => Effect.runPromise(backlog.createMany({ cards, actor: "bench" })))
        )
      })
  },
  {
    system: graphileWorker,
    database: "postgres",
    one: (context, place, count) =>
      withUtils(context, place, async (utils) => {
        for (let number = 0; number < callsBefore; number++) await utils.addJob("nothing", { number })
        return latenciesOf(count, (number) => utils.addJob("nothing", { number }))
      }),
    many: (context, place, count) => withUtils(context, place, (utils) => timed(count, () => addAll(utils, count)))
  },
  {
    system: pgBoss,
    database: "postgres",
    one: (context, place, count) =>
      pgBoss.withBoss(context, place, 1, async (boss) => {
        for (let number = 0; number < callsBefore; number++) await boss.send(pgBoss.queue, { number })
        return latenciesOf(count, (number) => boss.send(pgBoss.queue, { number }))
      }),
    many: (context, place, count) =>
      pgBoss.withBoss(context, place, 1, (boss) => timed(count, () => pgBoss.insertAll(boss, count)))
  }
]

/** Creates, claims and completes one card after the other. */
const live = (context, place, count, labels) =>
  mosaic.withBacklog(context, place, (backlog) =>
    Effect.promise(async () => {
      const run = async (number) => {
        await Effect.runPromise(backlog.create({ id: cardId(number), title: `Card ${number}`, labels, actor: "bench" }))
        const claimed = mosaic.found(await Effect.runPromise(backlog.claim({ owner: "bench", actor: "bench" })))
        const { claimToken: token, id } = claimed
        await Effect.runPromise(backlog.complete({ id, token, actor: "bench" }))
      }
      for (let number = 0; number < callsBefore; number++) await run(count + number)
      return latenciesOf(count, run)
    })
  )

const fourLabels = ["common", "rare", "third", "fourth"]

export const scenarios = (context) => {
  const few = context.quick ? 300 : 3000
  const lot = context.quick ? 10_000 : 100_000
  const inMemory = { ...creating[0], database: "pglite" }
  const rows = [
    ...[...creating, ...(context.quick ? [] : [inMemory])].map((way) => ({
      way,
      scenario: "create",
      size: few,
      create: way.one
    })),
    ...Object.entries({ "": [], ", 4 labels": fourLabels }).map(([what, labels]) => ({
      way: creating[0],
      scenario: `create + claim + complete${what}`,
      group: "create + claim + complete",
      size: few,
      create: (...place) => live(...place, labels)
    })),
    ...creating.map((way) => ({ way, scenario: "create many", size: lot, create: way.many })),
    { way: inMemory, scenario: "create many", size: lot / 10, create: inMemory.many }
  ]
  return rows.map(({ way, scenario, group = scenario, size, create }) => {
    const { database, system } = way
    const place = { database, schema: schemaOf("create", system.name) }
    return {
      id: `${scenario}, ${system.name}, ${database}`,
      group: `${group}, ${database}`,
      scenario,
      system: system.name,
      database,
      workers: 1,
      size,
      unit: "cards",
      target:
        scenario === "create many" && system === mosaic && database === "postgres"
          ? { opsPerSecond: { min: 20_000 } }
          : undefined,
      beforeEach: () => system.fill(context, place, empty()),
      measure: () => create(context, place, size),
      afterEach: () => system.remove(context, place)
    }
  })
}
