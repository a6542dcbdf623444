/** Cards that depend on each other: draining them, making many claimable at once, linking them, and their longest chain. */
import { Effect, Option } from "effect"
import { graphs, layer } from "../lib/graphs.mjs"
import { cardId } from "../lib/population.mjs"
import { Random } from "../lib/random.mjs"
import { schemaOf } from "../lib/schemas.mjs"
import * as mosaic from "../lib/systems/mosaic.mjs"

const workers = 10

/**
 * Claims and completes until all cards are done. A worker that finds nothing waits until a completion makes a card
 * claimable.
 */
const drain = (backlog, count) =>
  Effect.gen(function* () {
    const latencies = []
    const idle = []
    const wake = (some) => {
      for (const resume of idle.splice(0, some)) resume(Effect.void)
    }
    const loop = (owner) =>
      Effect.gen(function* () {
        while (latencies.length < count) {
          const started = performance.now()
          const claimed = yield* backlog.claim({ owner, actor: owner })
          if (Option.isSome(claimed)) {
            const { claimToken, id } = claimed.value
            const { madeClaimable } = yield* backlog.complete({ id, token: claimToken, actor: owner })
            latencies.push(performance.now() - started)
            wake(latencies.length === count ? idle.length : madeClaimable.length)
          } else if (latencies.length < count) {
            yield* Effect.callback((resume) => {
              idle.push(resume)
            })
          }
        }
      })
    const started = performance.now()
    yield* Effect.forEach(
      Array.from({ length: workers }, (_, worker) => `worker-${worker}`),
      loop,
      { concurrency: "unbounded", discard: true }
    )
    return { operations: count, milliseconds: performance.now() - started, latencies }
  })

const draining = (context, graph) => {
  const size = context.quick ? 300 : 10_000
  return {
    ...common(`graph, ${graph}`, workers, size, "cards"),
    cards: () => graphs[graph](size),
    use: (backlog) => drain(backlog, size)
  }
}

/** Completes the one card that all others depend on. */
const completing = (context) => {
  const size = context.quick ? 1000 : 10_000
  return {
    ...common("complete, with many dependents", 1, size, "dependents"),
    cards: () => graphs["fan-out"](size + 1),
    use: (backlog) =>
      Effect.gen(function* () {
        const claimed = mosaic.found(yield* backlog.claim({ owner: "bench", actor: "bench" }))
        const started = performance.now()
        const { madeClaimable } = yield* backlog.complete({
          id: claimed.id,
          token: claimed.claimToken,
          actor: "bench"
        })
        const milliseconds = performance.now() - started
        if (madeClaimable.length !== size) throw new Error(`${madeClaimable.length} were made claimable`)
        return { operations: size, milliseconds }
      })
  }
}

/** Links a card of the graph to one far below it, all of whose dependencies must be checked for cycles. */
const linking = (context) => {
  const count = context.quick ? 2000 : 20_000
  const links = context.quick ? 20 : 100
  return {
    ...common("link", 1, count * 5, "links"),
    cards: () => graphs.layered(count),
    use: (backlog) =>
      Effect.gen(function* () {
        const random = new Random(1)
        const latencies = []
        for (let number = 0; number < links; number++) {
          const from = cardId(random.integer(count / 2, count - layer - 1))
          const to = cardId(random.integer(0, count / 2 - 2 * layer))
          const started = performance.now()
          yield* backlog.link({ from, to, actor: "bench" })
          latencies.push(performance.now() - started)
        }
        return { operations: links, milliseconds: latencies.reduce((sum, one) => sum + one, 0), latencies }
      })
  }
}

/** Finds the longest chain of open cards. */
const findingChains = (context) => {
  const count = context.quick ? 10_000 : 100_000
  return {
    ...common("critical path", 1, count, "calls"),
    target: { p50Ms: { max: 1000 } },
    cards: () => graphs.layered(count),
    use: (backlog) =>
      Effect.gen(function* () {
        const latencies = []
        for (let call = 0; call < 10; call++) {
          const started = performance.now()
          const { length } = yield* backlog.criticalPath({})
          latencies.push(performance.now() - started)
          if (length !== count / layer) throw new Error(`a chain of ${length} cards`)
        }
        return { operations: 10, milliseconds: latencies.reduce((sum, one) => sum + one, 0), latencies }
      })
  }
}

const common = (scenario, count, size, unit) => ({ scenario, workers: count, size, unit })

export const scenarios = (context) =>
  [
    ...Object.keys(graphs).map((graph) => draining(context, graph)),
    completing(context),
    linking(context),
    findingChains(context)
  ].map(({ cards, use, ...scenario }, number) => {
    const place = { database: "postgres", schema: schemaOf("graphs", String(number)) }
    return {
      ...scenario,
      id: `${scenario.scenario}, ${mosaic.name}, postgres`,
      system: mosaic.name,
      database: "postgres",
      beforeEach: () => mosaic.fill(context, place, cards()),
      measure: () => mosaic.withBacklog(context, place, use),
      afterEach: () => mosaic.remove(context, place)
    }
  })
