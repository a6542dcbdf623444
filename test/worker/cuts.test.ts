import { Effect, Layer } from "effect"
import { expect } from "vitest"
import { DatabaseClock } from "../../src/sql/DatabaseClock.ts"
import { BacklogSchema } from "../../src/sql/SchemaName.ts"
import { type BacklogFailure, BacklogService, type Card, layerPostgres } from "../../src/index.ts"
import { Worker, type WorkerEvent } from "../../src/worker/index.ts"
import { startProxy } from "../proof/support/proxy.ts"
import { postgresUrl } from "../support/backlogs.ts"
import { onServer } from "../support/databases.ts"
import { makeRandom } from "../support/random.ts"
import { seed } from "../support/soak.ts"

const cards = Array.from({ length: 60 }, (_, index) => ({
  id: `c${index}`,
  title: "T",
  dependsOn: index === 0 ? [] : [`c${(index - 1) >> 2}`]
}))

onServer("workers behind a proxy that cuts connections", (test) => {
  test(
    "every card is done, and the result of a card that was not lost is what its handler returned",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const schema = yield* BacklogSchema
      yield* backlog.createMany({ cards, actor: "ann" })
      const url = new URL(postgresUrl())
      const proxy = yield* Effect.acquireRelease(
        Effect.promise(() => startProxy(Number(url.port), makeRandom(seed))),
        ({ close }) => Effect.promise(close)
      )
      url.port = String(proxy.port)
      const failures = new Set<string>()
      const results = new Map<string, Array<string>>()
      const handler = (owner: string) => (card: Card) =>
        Effect.sync(() => {
          const answer = `${owner}, attempt ${card.attempts}`
          results.set(card.id, [...(results.get(card.id) ?? []), answer])
          return answer
        })
      const failureTag = (error: BacklogFailure) => (error._tag === "SqlError" ? error.reason._tag : error._tag)
      const onEvent = (event: WorkerEvent) =>
        Effect.sync(() => void (event._tag === "Unavailable" && failures.add(failureTag(event.error))))
      const serversClock = Layer.succeed(DatabaseClock)({ override: () => null })
      const services = Layer.build(
        Layer.fresh(Layer.provide(layerPostgres({ url: url.href, schema, poolSize: 3 }), serversClock))
      )
      const startWorker = Effect.fnUntraced(function* (owner: string, more: object) {
        const context = yield* services
        return Worker.run({ owner, ttlSeconds: 1, untilEmpty: true, onEvent, handler: handler(owner), ...more }).pipe(
          Effect.provideContext(context)
        )
      })
      const workers = yield* Effect.all([startWorker("w1", { concurrency: 3 }), startWorker("w2", { prefetch: 4 })])
      // The proxy cuts connections only after all workers have opened the database.
      proxy.begin()
      const reports = yield* Effect.all(workers, { concurrency: "unbounded" })
      proxy.end()
      expect([...failures]).toEqual(["ConnectionError"])
      for (const { attempts, id, result, status } of yield* backlog.list()) {
        expect([id, status]).toEqual([id, "done"])
        expect(results.get(id)).toContain(result)
        // Only a claim without a response is an attempt without a handler. No card is worked on twice at the same time.
        expect(results.get(id)?.length).toBeLessThanOrEqual(attempts)
      }
      const done = reports.reduce((sum, { completed }) => sum + completed, 0)
      expect(done).toBe(cards.length)
    })
  )
})
