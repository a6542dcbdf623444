import { Array, Cause, Context, Effect, Exit, Fiber, Layer, Option, Queue, Result, Scope, Stream } from "effect"
import { expect } from "vitest"
import { layerHttp, serve } from "../../src/http/index.ts"
import { AuditService, BacklogService, InvalidInput, Unreachable } from "../../src/index.ts"
import { plain } from "../support/backlogs.ts"
import { onServer } from "../support/databases.ts"
import { anyServer } from "./support/anyServer.ts"

const actor = "ann"

const over = (url: string, token?: string) => Effect.orDie(Layer.build(Layer.fresh(layerHttp({ url, token }))))

/** The tag of the error, and whether an unreachable server may be reached later. */
const failureOf = <A, R>(effect: Effect.Effect<A, { readonly _tag: string }, R>) =>
  Effect.map(Effect.flip(effect), (error) =>
    error instanceof Unreachable ? `${error._tag}, ${error.isTransient ? "transient" : "lasting"}` : error._tag
  )

onServer("layerHttp", (test) => {
  test(
    "fails with the tag of what the server refused, and with Unreachable when no backlog responds",
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { url } = yield* Scope.provide(serve({ port: 0 }), scope)
      yield* Scope.close(scope, Exit.void)
      const gone = Context.get(yield* over(url), BacklogService)
      expect(yield* failureOf(gone.create({ id: "a", title: "A", actor }))).toBe("Unreachable, transient")
      expect(yield* failureOf(gone.stats)).toBe("Unreachable, transient")
      const asked: Array<string | undefined> = []
      const stranger = yield* anyServer((request, response) => {
        asked.push(request.headers.authorization)
        const status = Number(request.headers.authorization?.split("-")[1])
        response.writeHead(status, { "content-type": "text/html" }).end("<p>no backlog</p>")
      })
      for (const [status, failure] of [
        [200, "Unreachable, lasting"],
        [401, "Unauthorized"],
        [403, "Forbidden"],
        [404, "Unreachable, lasting"],
        [429, "Unreachable, transient"],
        [500, "Unreachable, lasting"],
        [502, "Unreachable, transient"]
      ] as const) {
        const backlog = Context.get(yield* over(stranger, `token-${status}`), BacklogService)
        expect([status, yield* failureOf(backlog.reclaim({ actor }))]).toEqual([status, failure])
      }
      expect(asked[0]).toBe("Bearer token-200")
      for (const wrong of ["", "localhost:4010", "ftp://localhost", "/"]) {
        const error = yield* Effect.flip(Layer.build(Layer.fresh(layerHttp({ url: wrong }))))
        expect(error).toBeInstanceOf(InvalidInput)
      }
    })
  )

  test(
    "starts a new token generation and accepts its tokens",
    Effect.gen(function* () {
      const { url } = yield* serve({ port: 0 })
      const there = yield* over(url)
      const backlog = Context.get(there, BacklogService)
      const audit = Context.get(there, AuditService)
      yield* backlog.create({ id: "a", title: "A", actor })
      const lost = Option.getOrThrow(yield* backlog.claim({ owner: "w", actor }))
      const { generation, reclaimed } = yield* audit.restored({ actor })
      expect([generation > 2 ** 31, reclaimed]).toEqual([true, ["a"]])
      const taken = Option.getOrThrow(yield* backlog.claim({ owner: "v", actor }))
      expect(taken.claimToken).toBe(generation + taken.version)
      const stale = { id: "a", token: lost.claimToken, actor }
      expect(yield* Effect.flip(backlog.complete(stale))).toMatchObject({ _tag: "ClaimLost", holder: "v" })
      yield* backlog.complete({ id: "a", token: taken.claimToken, actor })
    }).pipe(Effect.scoped)
  )

  test(
    "retries only repeatable requests",
    Effect.gen(function* () {
      const here = yield* BacklogService
      const card = plain(yield* here.create({ id: "a", title: "A", actor }))
      let asked = 0
      const url = yield* anyServer((request, response) => {
        asked++
        request.resume()
        if (asked % 3 !== 0) request.socket.destroy()
        else response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(card))
      })
      const there = Context.get(yield* over(url), BacklogService)
      const times = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        Effect.gen(function* () {
          asked = 0
          const result = yield* Effect.result(effect)
          return [Result.isSuccess(result), asked]
        })
      expect(yield* times(there.get("a"))).toEqual([true, 3])
      expect(yield* times(there.reopen({ id: "a", actor, commandId: "once" }))).toEqual([true, 3])
      expect(yield* times(there.reopen({ id: "a", actor }))).toEqual([false, 1])
    })
  )

  test(
    "follows events across a restart of the server, each event once",
    Effect.gen(function* () {
      const here = yield* BacklogService
      const create = (id: string) => here.create({ id, title: "T", actor })
      const first = yield* Scope.make()
      const { port, url } = yield* Scope.provide(serve({ port: 0 }), first)
      const there = Context.get(yield* over(url), AuditService)
      const received = yield* Queue.unbounded<number>()
      yield* create("a")
      const follower = yield* Effect.forkChild(
        Stream.runForEach(there.events({ follow: true, after: 1 }), ({ position }) => Queue.offer(received, position))
      )
      yield* Effect.forEach(["b", "c"], create)
      expect(yield* Queue.takeN(received, 2)).toEqual([2, 3])
      yield* Scope.close(first, Exit.void)
      yield* create("d")
      yield* serve({ port })
      yield* create("e")
      expect(yield* Queue.takeN(received, 2)).toEqual([4, 5])
      yield* Fiber.interrupt(follower)
    })
  )

  test(
    "passes each event to a consumer and moves its checkpoint",
    Effect.gen(function* () {
      const { url } = yield* serve({ port: 0 })
      const here = yield* BacklogService
      const there = Context.get(yield* over(url), AuditService)
      yield* Effect.forEach(["a", "b", "c", "d"], (id) => here.create({ id, title: "T", actor }))
      const seen: Array<number> = []
      const run = (parkAfter?: number) =>
        there.consume({
          consumer: "mail",
          batchSize: 2,
          parkAfter,
          handler: ({ position }) =>
            position === 3 ? Effect.fail("no letter") : Effect.sync(() => seen.push(position))
        })
      const position = Effect.map(there.checkpoint("mail"), (found) => Option.getOrThrow(found).position)
      expect(yield* Effect.flip(run())).toBe("no letter")
      expect(yield* position).toBe(2)
      expect(yield* run(2)).toBe(1)
      expect([seen, yield* position]).toEqual([[1, 2, 4], 4])
      expect(yield* there.parked("mail")).toMatchObject([{ position: 3, reason: expect.stringContaining("no letter") }])
      expect(yield* there.unpark("mail", 3)).toBe(true)
      expect(yield* run()).toBe(0)
      const wrong = there.consume({
        consumer: "async",
        handler: (async () => {}) as unknown as () => Effect.Effect<void>
      })
      expect(Cause.squash(yield* Effect.flip(Effect.sandbox(wrong)))).toMatchObject({
        message: "handler must return an Effect, and returned a Promise (use Effect.promise or Effect.tryPromise)."
      })
    })
  )

  test(
    "reports the progress of long operations",
    Effect.gen(function* () {
      const { url } = yield* serve({ port: 0 })
      const here = yield* BacklogService
      const there = Context.get(yield* over(url), AuditService)
      yield* here.create({ id: "a", title: "A", actor })
      const progressReports: Array<ReadonlyArray<unknown>> = []
      const onProgress = (done: number, total: number) => Effect.sync(() => progressReports.push([done, total]))
      expect(yield* there.verify({ onProgress })).toMatchObject({ events: 1, divergenceCount: 0 })
      expect(progressReports[0]).toEqual([0, 2])
      const phases: Array<string> = []
      const report = yield* there.rebuild({ onProgress: ({ phase }) => Effect.sync(() => phases.push(phase)) })
      expect(report).toMatchObject({ cards: 1, verification: { divergenceCount: 0 } })
      expect(Array.dedupe(phases)).toContain("verifying")
      const redacted = yield* there.redact({ id: "a", parts: ["title"], reason: "a name", actor })
      expect(redacted.state).toBe("erased from reads")
      expect(yield* there.erasures({ pending: true })).toMatchObject([{ cardId: "a", state: "erased from reads" }])
      const steps: Array<string> = []
      const onStep = ({ phase }: { readonly phase: string }) => Effect.sync(() => steps.push(phase))
      expect(yield* there.removeErased({ onProgress: onStep })).toEqual({ removed: 1 })
      expect(steps).toContain("swapped")
      expect(yield* there.erasures()).toMatchObject([{ state: "removed from pages" }])
    })
  )
})
