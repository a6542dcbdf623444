import { describe, expect, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber, Layer, Option } from "effect"
import { SqlError } from "effect/sql"
import { TestClock } from "effect/testing"
import {
  type BacklogFailure,
  BacklogService,
  BacklogTestClock,
  TooManyRequests,
  Unauthorized,
  Unreachable
} from "../../src/index.ts"
import { Worker, type WorkerEvent } from "../../src/worker/index.ts"
import { layerMemory } from "../proof/memoryBacklog.ts"

type Backlog = BacklogService["Service"]

const failWith = (reason: SqlError.SqlErrorReason) => new SqlError.SqlError({ reason })

const broken = failWith(new SqlError.ConnectionError({ cause: new Error("gone"), operation: "test" }))

const denied = failWith(new SqlError.AuthorizationError({ cause: new Error("permission denied"), operation: "test" }))
const lasting = new Unreachable({ problem: "The server returned the unexpected status 404.", isTransient: false })

/** Failures that a retry may fix, by what fails. */
const transient: ReadonlyArray<readonly [string, BacklogFailure]> = [
  ["the database", broken],
  ["the server", new Unreachable({ problem: "The server cannot be reached.", isTransient: true })],
  ["its rate limit", new TooManyRequests({ retryAfterSeconds: 1 })]
]

/** A backlog without a database, some of whose methods the test replaces. */
const withFaults = (faults: (backlog: Backlog) => Partial<Backlog>) =>
  Layer.fresh(
    Layer.effect(
      BacklogService,
      Effect.map(BacklogService, (backlog) => BacklogService.of({ ...backlog, ...faults(backlog) }))
    ).pipe(Layer.provideMerge(layerMemory()))
  )

/** Renews, and counts the renewals that succeeded. */
const countRenewals =
  (backlog: Backlog, count: () => void): Backlog["renew"] =>
  (input) =>
    Effect.tap(backlog.renew(input), () => Effect.sync(count))

/** Advances both clocks second by second. */
const advance = Effect.fnUntraced(function* (seconds: number) {
  const clock = yield* BacklogTestClock
  for (let step = 0; step < seconds; step++) {
    yield* clock.advance("1 second")
    yield* TestClock.adjust(Duration.seconds(1))
  }
})

/** Starts a worker with one card, and waits until its handler runs. */
const startWorker = Effect.fnUntraced(function* (handler: Effect.Effect<unknown, unknown> = Effect.never) {
  const backlog = yield* BacklogService
  yield* backlog.create({ id: "a", title: "A", actor: "ann" })
  const events: Array<WorkerEvent> = []
  const started = yield* Deferred.make<void>()
  const fiber = yield* Effect.forkChild(
    Worker.run({
      owner: "w",
      ttlSeconds: 30,
      maxCards: 1,
      onEvent: (event) => Effect.sync(() => void events.push(event)),
      handler: () => Effect.andThen(Deferred.succeed(started, undefined), handler)
    })
  )
  yield* Deferred.await(started)
  const card = Effect.map(backlog.get("a"), Option.getOrThrow)
  return { fiber, card, tags: () => [...new Set(events.map(({ _tag }) => _tag))], events }
})

describe("a worker with database failures", () => {
  it.effect("the lease is renewed while the handler runs, at most once per quarter of it", () => {
    let renewals = 0
    return Effect.gen(function* () {
      const { card, fiber } = yield* startWorker(Effect.sleep("300 seconds"))
      yield* advance(290)
      expect((yield* card).status).toBe("claimed")
      yield* advance(20)
      expect(yield* Fiber.join(fiber)).toMatchObject({ completed: 1, lost: 0 })
      expect(renewals).toBeGreaterThanOrEqual(300 / 10 - 2)
      expect(renewals).toBeLessThanOrEqual(300 / 7.5)
    }).pipe(
      Effect.provide(
        withFaults((backlog) => ({
          renew: countRenewals(backlog, () => renewals++)
        }))
      )
    )
  })

  it.effect("the handler is interrupted before the lease expires when renewals have no response", () =>
    Effect.gen(function* () {
      let interruptedAfter = -1
      let seconds = 0
      const { card, events, fiber } = yield* startWorker(
        Effect.onInterrupt(Effect.never, () => Effect.sync(() => (interruptedAfter = seconds)))
      )
      for (; seconds < 40; seconds++) yield* advance(1)
      // No other worker could have claimed the card before.
      expect(interruptedAfter).toBe(29)
      expect(yield* Fiber.join(fiber)).toMatchObject({ claimed: 1, lost: 1, completed: 0 })
      expect(events.at(-1)).toMatchObject({ reason: "the lease expired before it could be renewed" })
      expect((yield* card).status).toBe("claimed")
    }).pipe(Effect.provide(withFaults(() => ({ renew: () => Effect.never }))))
  )

  it.effect("a lease is renewed again while a renewal has no response", () => {
    let tries = 0
    return Effect.gen(function* () {
      const { card, fiber } = yield* startWorker(Effect.sleep("60 seconds"))
      yield* advance(70)
      expect(yield* Fiber.join(fiber)).toMatchObject({ completed: 1, lost: 0 })
      expect((yield* card).status).toBe("done")
      expect(tries).toBeGreaterThan(2)
    }).pipe(
      Effect.provide(
        withFaults((backlog) => ({
          // The first of every two renewals gets no response, as on a dead connection.
          renew: (input) => Effect.suspend(() => (tries++ % 2 === 0 ? Effect.never : backlog.renew(input)))
        }))
      )
    )
  })

  it.effect.each(transient)(
    "a result is kept while %s is unavailable, and the completion is carried out once",
    ([, failure]) => {
      let tries = 0
      let renewals = 0
      const ids = new Set<string | undefined>()
      return Effect.gen(function* () {
        const { card, fiber, tags } = yield* startWorker(Effect.succeed({ pages: 12 }))
        yield* advance(120)
        expect(yield* Fiber.join(fiber)).toMatchObject({ completed: 1, lost: 0 })
        expect(yield* card).toMatchObject({ status: "done", result: { pages: 12 }, version: 3 + renewals })
        expect([tries, ids.size, ids.has(undefined)]).toEqual([6, 1, false])
        expect(tags()).toEqual(["Claimed", "Unavailable", "Completed"])
      }).pipe(
        Effect.provide(
          withFaults((backlog) => ({
            renew: countRenewals(backlog, () => renewals++),
            complete: (input) =>
              Effect.suspend(() => {
                ids.add(input.commandId)
                // Carried out at the third attempt, with a response at the sixth.
                if (++tries < 3) return Effect.fail(failure)
                return tries < 6
                  ? Effect.andThen(backlog.complete(input), Effect.fail(failure))
                  : backlog.complete(input)
              })
          }))
        )
      )
    }
  )

  it.effect.each([denied, new Unauthorized({ problem: "Unknown." }), lasting])(
    "an error that a retry cannot fix fails the worker and leaves the card to its lease",
    (failure) =>
      Effect.gen(function* () {
        const { card, fiber } = yield* startWorker(Effect.succeed(1))
        yield* advance(1)
        expect(yield* Effect.flip(Fiber.join(fiber))).toBe(failure)
        expect((yield* card).status).toBe("claimed")
      }).pipe(Effect.provide(withFaults(() => ({ complete: () => Effect.fail(failure) }))))
  )

  it.effect("invalid options fail with InvalidInput and the option's name", () =>
    Effect.gen(function* () {
      const run = (options: object) => Worker.run({ owner: "w", handler: () => Effect.void, ...options })
      for (const wrong of [
        { owner: "" },
        { concurrency: 0 },
        { prefetch: 501 },
        { ttlSeconds: 0 },
        { maxAttempts: 0 },
        { maxFailures: -1 },
        { retryAfterSeconds: 0 },
        { pollSeconds: 3601 },
        { concurency: 2 },
        { gracePeriodSeconds: -1 },
        { gracePeriodSeconds: "soon" },
        { maxRetryAfterSeconds: 9 },
        { maxRetryAfterSeconds: 99, retryAfterSeconds: 100 }
      ]) {
        const error = yield* Effect.flip(run(wrong))
        expect([error._tag, error.message]).toEqual([
          "InvalidInput",
          expect.stringContaining(Object.keys(wrong)[0] ?? "")
        ])
      }
    }).pipe(Effect.provide(layerMemory()))
  )
})
