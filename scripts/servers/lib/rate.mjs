/** Measures how many cards one worker claims and completes in a second, alternating between two servers. */
import { randomBytes } from "node:crypto"
import { Effect, Layer, ManagedRuntime, Option } from "effect"

// The command that runs this script builds it.
const { BacklogService, layerPostgres } = await import(new URL("../../../dist/index.js", import.meta.url).href)

/** More than a worker completes in all repetitions. */
const cardsPerSecond = 1_000
const cardsAtOnce = 5_000
const warmUpMillis = 500

/** Creates a worker with its own backlog, which has enough cards for all repetitions. */
const makeWorker = async (url, total) => {
  const schema = `rate_${randomBytes(4).toString("hex")}`
  const cards = Math.ceil((total * cardsPerSecond) / 1000)
  const runtime = ManagedRuntime.make(Layer.fresh(layerPostgres({ url, schema, poolSize: 2 })))
  const create = Effect.gen(function* () {
    const backlog = yield* BacklogService
    for (let from = 0; from < cards; from += cardsAtOnce) {
      yield* backlog.createMany({
        cards: Array.from({ length: Math.min(cardsAtOnce, cards - from) }, (_, index) => ({
          id: `c${from + index}`,
          title: "T"
        })),
        actor: "rate"
      })
    }
  })
  const pairsIn = (millis) =>
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const start = performance.now()
      let pairs = 0
      while (performance.now() - start < millis) {
        const card = Option.getOrThrow(yield* backlog.claim({ owner: "w", actor: "w" }))
        yield* backlog.complete({ id: card.id, token: card.claimToken, actor: "w" })
        pairs++
      }
      return (pairs * 1000) / (performance.now() - start)
    })
  await runtime.runPromise(Effect.andThen(create, pairsIn(warmUpMillis)))
  return { rate: (millis) => runtime.runPromise(pairsIn(millis)), close: () => runtime.dispose() }
}

const median = (values) => {
  const sorted = values.toSorted((left, right) => left - right)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

const measure = async (first, second, { millis, repetitions }) => {
  const total = warmUpMillis + millis * repetitions
  const workers = [await makeWorker(first, total), await makeWorker(second, total)]
  try {
    const pairs = []
    for (let repetition = 0; repetition < repetitions; repetition++) {
      // Alternates which server is measured first.
      const order = repetition % 2 === 0 ? [0, 1] : [1, 0]
      const rates = []
      for (const index of order) rates[index] = await workers[index].rate(millis)
      pairs.push(rates)
    }
    return {
      rates: [0, 1].map((index) => median(pairs.map((rates) => rates[index]))),
      ratio: median(pairs.map(([one, other]) => one / other))
    }
  } finally {
    await Promise.all(workers.map((worker) => worker.close()))
  }
}

/**
 * Returns the median rates of two servers, and the median of the ratios of all repetitions. A ratio below `least` is
 * measured again with three times as many repetitions, to exclude the effect of other work on the machine.
 */
export const compareRates = async (first, second, { least, millis, repetitions }) => {
  const found = await measure(first, second, { millis, repetitions })
  return found.ratio >= least ? found : measure(first, second, { millis, repetitions: repetitions * 3 })
}
