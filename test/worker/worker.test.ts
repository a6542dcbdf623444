import { Deferred, Effect, Fiber, Layer, Option, Stream } from "effect"
import { expect } from "vitest"
import { AuditService, BacklogService, BacklogTestClock, type Card, type EventType } from "../../src/index.ts"
import { layerHttp, serve } from "../../src/http/index.ts"
import { HandlerUnusable, Worker, type WorkerEvent, type WorkerOptions } from "../../src/worker/index.ts"
import { eventsOf, iso } from "../support/backlogs.ts"
import { onBothDatabases, onServer } from "../support/databases.ts"
import { until } from "../support/waiting.ts"

const create = (id: string, more: object = {}) =>
  Effect.flatMap(BacklogService, (backlog) => backlog.create({ id, title: `Card ${id}`, actor: "ann", ...more }))

const cardOf = (id: string) =>
  Effect.flatMap(BacklogService, (backlog) => Effect.map(backlog.get(id), Option.getOrThrow))

/** Runs a worker until no work is left, and returns its events and its report. */
const runWorker = Effect.fnUntraced(function* (options: Omit<WorkerOptions<unknown>, "owner">) {
  const events: Array<string> = []
  const report = yield* Worker.run({
    owner: "w1",
    untilEmpty: true,
    onEvent: (event: WorkerEvent) =>
      Effect.sync(() => events.push(`${event._tag} ${"card" in event ? event.card.id : ""}`)),
    ...options
  })
  return { events, report }
})

onBothDatabases("a worker", (test) => {
  test(
    "a worker completes cards in claim order, claims the next card with each completion, and stores the results",
    Effect.gen(function* () {
      yield* create("b", { dependsOn: ["a"], priority: 9 })
      yield* create("a")
      yield* create("other", { phase: "other" })
      yield* create("never", { dependsOn: ["nobody"] })
      const { report, events } = yield* runWorker({
        handler: ({ attempts, id }) => Effect.succeed(id === "a" ? undefined : { attempts, text: "ü" })
      })
      expect(events).toEqual(["a", "b", "other"].flatMap((id) => [`Claimed ${id}`, `Completed ${id}`]))
      expect(report).toEqual({ claimed: 3, completed: 3, failed: 0, blocked: 0, lost: 0, released: 0 })
      expect((yield* cardOf("a")).result).toBeNull()
      expect((yield* cardOf("b")).result).toEqual({ attempts: 1, text: "ü" })
      // The completion of the previous card claimed the next one in the same command.
      const commandOf = Effect.fnUntraced(function* (cardId: string, type: EventType) {
        const audit = yield* AuditService
        return (yield* Stream.runCollect(audit.events({ cardId, type })))[0]?.commandId
      })
      expect(yield* commandOf("b", "CardClaimed")).toBe(yield* commandOf("a", "CardCompleted"))
      expect(yield* commandOf("a", "CardCompleted")).toEqual(expect.any(String))
    })
  )

  test(
    "a handler or an onEvent that does not return an effect fails the attempt or is logged, and the worker continues",
    Effect.gen(function* () {
      yield* create("a")
      yield* create("b")
      const { report } = yield* runWorker({
        maxAttempts: 1,
        handler: (({ id }: Card) => (id === "a" ? Promise.resolve(1) : Effect.void)) as () => Effect.Effect<void>,
        onEvent: (() => undefined) as unknown as () => Effect.Effect<void>
      })
      expect(report).toEqual({ claimed: 2, completed: 1, failed: 0, blocked: 1, lost: 0, released: 0 })
      expect((yield* cardOf("a")).blockedReason).toContain("handler must return an Effect, and returned a Promise")
    })
  )

  test(
    "a failed attempt releases the card with the reason and a retry time, and the last one blocks it",
    Effect.gen(function* () {
      const clock = yield* BacklogTestClock
      yield* create("a")
      yield* create("odd")
      const failures: Record<number, Effect.Effect<unknown, unknown>> = {
        1: Effect.die(new Error("no \u001b[31mpaper\u0000\n in tray 1")),
        2: Effect.fail({ code: 7 }),
        3: Effect.fail(`💩${"-".repeat(998)}💩${"-".repeat(2000)}💩${"-".repeat(999)}`),
        4: Effect.interrupt
      }
      const fiber = yield* Effect.forkChild(
        runWorker({
          retryAfterSeconds: 100,
          maxRetryAfterSeconds: 300,
          maxAttempts: 4,
          handler: ({ attempts, id }) =>
            // A result that cannot be stored fails the attempt too.
            id === "odd" ? Effect.succeed(() => 1) : (failures[attempts] ?? Effect.void)
        })
      )
      const waits: Array<number> = []
      for (const attempt of [1, 2, 3]) {
        yield* until(
          Effect.map(Effect.all([cardOf("a"), cardOf("odd")]), (cards) =>
            cards.every(({ attempts, notBefore }) => attempts === attempt && notBefore !== null)
          )
        )
        const { notBefore } = yield* cardOf("a")
        waits.push((Date.parse(iso(notBefore) ?? "") - (yield* clock.now).epochMilliseconds) / 1000)
        yield* clock.advance("300 seconds")
      }
      const { report } = yield* Fiber.join(fiber)
      expect(report).toEqual({ claimed: 8, completed: 0, failed: 6, blocked: 2, lost: 0, released: 0 })
      for (const [index, [least, most]] of [
        [50, 100],
        [100, 200],
        [150, 300]
      ].entries()) {
        expect(waits[index]).toBeGreaterThanOrEqual(least ?? 0)
        expect(waits[index]).toBeLessThanOrEqual(most ?? 0)
      }
      const reasons = (yield* eventsOf("a")).flatMap((event) => ("reason" in event ? event.reason : []))
      expect(reasons).toEqual([
        "Attempt 1 failed: no [31mpaper\n in tray 1",
        'Attempt 2 failed: {"code":7}',
        // Truncated between characters.
        `Attempt 3 failed: 💩${"-".repeat(998)} … ${"-".repeat(999)}`,
        expect.stringMatching(
          /^4 of 4 attempts failed\.\n.* w1: Attempt 1 failed: no [^]*\n.* w1: Attempt 4 failed: the handler interrupted itself$/
        )
      ])
      expect((yield* cardOf("odd")).blockedReason).toContain("Attempt 4 failed: its result cannot be stored: ")
    })
  )

  test(
    "a card that kills its workers is blocked, and one that stopping workers released is not",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const clock = yield* BacklogTestClock
      yield* create("deadly")
      yield* create("innocent")
      for (const owner of ["k1", "k2"]) {
        // The worker's process is killed: nothing ends the claim.
        yield* backlog.claim({ id: "deadly", owner, ttlSeconds: 60, actor: owner })
        const stopped = Option.getOrThrow(yield* backlog.claim({ id: "innocent", owner, actor: owner }))
        yield* backlog.release({ id: "innocent", token: stopped.claimToken ?? 0, reason: "stopping", actor: owner })
        yield* clock.advance("61 seconds")
      }
      const handled: Array<string> = []
      const { report } = yield* runWorker({
        maxAttempts: 2,
        handler: ({ id }) => Effect.sync(() => handled.push(id))
      })
      expect([handled, report.completed]).toEqual([["innocent"], 1])
      const { blockedReason, status } = yield* cardOf("deadly")
      expect(status).toBe("blocked")
      expect(blockedReason).toMatch(
        /^2 of 2 attempts failed\.\n.* k1: Attempt 1 ended without a result: its lease expired\.\n.* k2: Attempt 2 ended without a result: its lease expired\.$/
      )
    })
  )

  test(
    "a first delay of more than an hour is applied",
    Effect.gen(function* () {
      const clock = yield* BacklogTestClock
      yield* create("a")
      const fails = { handler: () => Effect.fail("no"), retryAfterSeconds: 7200, maxCards: 1 }
      expect((yield* runWorker(fails)).report).toMatchObject({ failed: 1 })
      const { notBefore } = yield* cardOf("a")
      const wait = (Date.parse(iso(notBefore) ?? "") - (yield* clock.now).epochMilliseconds) / 1000
      expect(wait).toBeGreaterThanOrEqual(3600)
      expect(wait).toBeLessThanOrEqual(7200)
    })
  )

  test(
    "a worker holds at most concurrency plus prefetch cards, and releases cards that it has not started when it stops",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      for (const id of ["a", "b", "c", "d", "e"]) yield* create(id)
      const started: Array<string> = []
      const finish = yield* Deferred.make<void>()
      const fiber = yield* Effect.forkChild(
        Worker.run({
          owner: "w1",
          concurrency: 2,
          prefetch: 1,
          gracePeriodSeconds: 3600,
          handler: ({ id }) =>
            Effect.andThen(
              Effect.sync(() => started.push(id)),
              Deferred.await(finish)
            )
        })
      )
      yield* until(Effect.map(backlog.stats, ({ counts }) => counts.claimed === 3 && started.length === 2))
      const ending = yield* Effect.forkChild(Fiber.interrupt(fiber))
      yield* until(Effect.map(backlog.stats, ({ counts }) => counts.claimed === 2))
      yield* Deferred.succeed(finish, undefined)
      yield* Fiber.join(ending)
      expect(started).toEqual(["a", "b"])
      expect((yield* backlog.stats).counts).toEqual({ ready: 3, claimed: 0, blocked: 0, done: 2 })
      const [, , released] = yield* eventsOf("c")
      expect(released).toMatchObject({
        type: "CardReleased",
        reason: "The worker stopped before it started the card.",
        notBefore: null
      })
    })
  )

  test(
    "a handler that outlasts the grace period is interrupted, and the card is released after its finalizers",
    Effect.gen(function* () {
      yield* create("a")
      const started = yield* Deferred.make<void>()
      let isCleared = false
      const fiber = yield* Effect.forkChild(
        Worker.run({
          owner: "w1",
          gracePeriodSeconds: 0,
          handler: () =>
            Effect.onInterrupt(Effect.andThen(Deferred.succeed(started, undefined), Effect.never), () =>
              Effect.map(Effect.sleep("20 millis"), () => (isCleared = true))
            )
        })
      )
      yield* Deferred.await(started)
      yield* Fiber.interrupt(fiber)
      expect(isCleared).toBe(true)
      const { claimOwner, status } = yield* cardOf("a")
      expect([claimOwner, status]).toEqual([null, "ready"])
    })
  )
})

onBothDatabases("a worker whose handler cannot work", (test) => {
  test(
    "stops when each of the first cards failed at once, and releases what it holds",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const ids = ["a", "b", "c", "d", "e", "f", "g"]
      for (const id of ids) yield* create(id)
      const error = yield* Effect.flip(
        Worker.run({
          owner: "w1",
          maxAttempts: 1,
          maxFailures: 3,
          prefetch: 2,
          handler: () => Effect.fail("no printer")
        })
      )
      expect(error).toBeInstanceOf(HandlerUnusable)
      expect(error.message).toBe(
        "The handler cannot work: each of the first 3 cards failed within a second, the last one with: no printer"
      )
      // The limits of attempts apply until then.
      expect((yield* backlog.stats).counts).toEqual({ ready: 5, claimed: 0, blocked: 2, done: 0 })
      const [, , released] = yield* eventsOf("c")
      expect(released).toMatchObject({ type: "CardReleased", reason: `The worker stopped: ${error.message.slice(25)}` })
    })
  )

  test(
    "does not stop once a card was completed, or with maxFailures 0, or for one card that fails repeatedly",
    Effect.gen(function* () {
      for (const id of ["a", "b", "c"]) yield* create(id)
      const handler = ({ id }: Card) => (id === "a" ? Effect.void : Effect.fail("no"))
      expect((yield* runWorker({ maxAttempts: 1, maxFailures: 1, handler })).report).toMatchObject({ blocked: 2 })
      yield* create("d")
      const fails = { handler: () => Effect.fail("no"), maxAttempts: 1 }
      expect((yield* runWorker({ ...fails, maxFailures: 0 })).report).toMatchObject({ blocked: 1 })
      yield* create("e")
      const clock = yield* BacklogTestClock
      const fiber = yield* Effect.forkChild(runWorker({ ...fails, maxAttempts: 2, maxFailures: 2 }))
      yield* until(Effect.map(cardOf("e"), ({ notBefore }) => notBefore !== null))
      yield* clock.advance("1 minute")
      expect((yield* Fiber.join(fiber)).report).toMatchObject({ failed: 1, blocked: 1 })
    })
  )

  test(
    "stops when the handler says so, whatever was completed before",
    Effect.gen(function* () {
      for (const id of ["a", "b", "c"]) yield* create(id)
      const handler = ({ id }: Card) =>
        id === "a" ? Effect.void : Effect.fail(new HandlerUnusable({ reason: "no printer" }))
      const error = yield* Effect.flip(Worker.run({ owner: "w1", maxAttempts: 1, maxFailures: 0, handler }))
      expect(error).toMatchObject({ _tag: "HandlerUnusable", reason: "no printer" })
      expect((yield* cardOf("b")).status).toBe("ready")
      expect((yield* cardOf("c")).attempts).toBe(0)
    })
  )
})

/** Creates a card and starts a worker with it that would renew its claim after 15 minutes. Waits until its handler runs. */
const startSlowWorker = Effect.fnUntraced(function* (id: string) {
  yield* create(id)
  const started = yield* Deferred.make<void>()
  const worker = yield* Effect.forkChild(
    Worker.run({
      owner: "slow",
      ttlSeconds: 3600,
      maxCards: 1,
      handler: () => Effect.andThen(Deferred.succeed(started, undefined), Effect.never)
    })
  )
  yield* Deferred.await(started)
  return worker
})

onBothDatabases("a busy worker", (test) => {
  test(
    "is interrupted soon after another client ended its claim, and not at its next renewal",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const blocked = yield* startSlowWorker("a")
      yield* backlog.block({ id: "a", actor: "operator" })
      expect(yield* Fiber.join(blocked)).toMatchObject({ claimed: 1, lost: 1 })

      const isWatched = yield* Deferred.make<void>()
      const reclaimed = yield* Effect.provideService(startSlowWorker("b"), BacklogService, {
        ...backlog,
        awaitClaimEnd: (input) => Effect.andThen(Deferred.succeed(isWatched, undefined), backlog.awaitClaimEnd(input))
      })
      yield* Deferred.await(isWatched)
      yield* backlog.reclaim({ id: "b", actor: "operator" })
      expect(yield* Fiber.join(reclaimed)).toMatchObject({ claimed: 1, lost: 1 })

      yield* backlog.block({ id: "b", actor: "operator" })
      const { url } = yield* serve({ port: 0 })
      const remote = yield* Effect.provide(startSlowWorker("c"), yield* Layer.build(layerHttp({ url })))
      yield* backlog.complete({ id: "c", force: true, actor: "operator" })
      expect(yield* Fiber.join(remote)).toMatchObject({ claimed: 1, lost: 1 })
    })
  )
})

onServer("workers", (test) => {
  test(
    "workers complete each card once, and a handler that lost its lease is interrupted without effect",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* create("lost", { priority: 9 })
      const started = yield* Deferred.make<void>()
      const events: Array<WorkerEvent> = []
      const slow = yield* Effect.forkChild(
        Worker.run({
          owner: "slow",
          ttlSeconds: 1,
          maxCards: 1,
          onEvent: (event) => Effect.sync(() => events.push(event)),
          handler: () => Effect.andThen(Deferred.succeed(started, undefined), Effect.never)
        })
      )
      yield* Deferred.await(started)
      yield* backlog.reclaim({ id: "lost", actor: "operator" })
      for (let index = 0; index < 40; index++) {
        yield* create(`c${index}`, index === 0 ? {} : { dependsOn: [`c${Math.floor((index - 1) / 3)}`] })
      }
      const done: Array<string> = []
      const handler = ({ id }: Card) => Effect.sync(() => void done.push(id))
      const reports = yield* Effect.forEach(
        [{ prefetch: 3 }, { concurrency: 4 }, { concurrency: 2, prefetch: 5 }],
        (more, index) => Worker.run({ owner: `w${index}`, untilEmpty: true, handler, ...more }),
        { concurrency: "unbounded" }
      )
      expect(done.length).toBe(41)
      expect(new Set(done).size).toBe(41)
      expect(reports.reduce((sum, { completed }) => sum + completed, 0)).toBe(41)
      expect(yield* Fiber.join(slow)).toMatchObject({ claimed: 1, completed: 0, lost: 1 })
      expect(events.at(-1)).toMatchObject({ _tag: "Lost", reason: expect.stringContaining("is lost") })
      expect((yield* backlog.stats).counts.done).toBe(41)
    })
  )

  test(
    "a worker works over a served backlog",
    Effect.gen(function* () {
      yield* create("a")
      yield* create("b", { dependsOn: ["a"] })
      const { url } = yield* serve({ port: 0 })
      const { report } = yield* Effect.provide(
        runWorker({
          handler: ({ attempts, id }) => (id === "b" && attempts === 1 ? Effect.fail("no") : Effect.succeed(id)),
          maxAttempts: 1
        }),
        layerHttp({ url })
      )
      expect(report).toMatchObject({ completed: 1, blocked: 1 })
      expect((yield* cardOf("b")).blockedReason).toMatch(/ w1: Attempt 1 failed: no$/)
    })
  )
})
