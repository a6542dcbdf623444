import { Context, Effect, Fiber, Layer } from "effect"
import { expect } from "vitest"
import { layerHttp } from "../../src/http/index.ts"
import { BacklogSchema, BacklogService, layerTestOver } from "../../src/index.ts"
import { currentClient } from "../support/backlogs.ts"
import { onServer } from "../support/databases.ts"
import { startServer } from "./support/startServer.ts"

const actor = "ann"

onServer("a waiting claim", (test) => {
  test(
    "returns when any process makes a card claimable",
    Effect.gen(function* () {
      const { post } = yield* startServer()
      const other = yield* Layer.build(Layer.fresh(layerTestOver(yield* currentClient, yield* BacklogSchema)))
      const elsewhere = Context.get(other, BacklogService)
      const claim = yield* Effect.forkChild(post("/claim?wait=60", { owner: "w", actor }))
      const withPhase = yield* Effect.forkChild(post("/claim?wait=60", { owner: "w", phase: "p", actor }))
      yield* elsewhere.create({ id: "a", title: "A", actor })
      expect((yield* Fiber.join(claim)).json()).toMatchObject({ id: "a", claimOwner: "w" })
      yield* elsewhere.create({ id: "b", title: "B", phase: "p", actor })
      expect((yield* Fiber.join(withPhase)).json()).toMatchObject({ id: "b", claimOwner: "w" })
    })
  )

  test(
    "of a holder returns when any process ends its claim",
    Effect.gen(function* () {
      const { ask } = yield* startServer()
      const other = yield* Layer.build(Layer.fresh(layerTestOver(yield* currentClient, yield* BacklogSchema)))
      const elsewhere = Context.get(other, BacklogService)
      yield* elsewhere.create({ id: "a", title: "A", actor })
      yield* elsewhere.claim({ id: "a", owner: "w", actor })
      expect((yield* ask("/await-claim-end?id=a&token=2&waitSeconds=1")).text).toBe("false")
      const waiting = yield* Effect.forkChild(ask("/await-claim-end?id=a&token=2&waitSeconds=60"))
      yield* elsewhere.reclaim({ id: "a", actor })
      expect((yield* Fiber.join(waiting)).text).toBe("true")
    })
  )

  test(
    "is executed once per idempotency key",
    Effect.gen(function* () {
      const { post } = yield* startServer()
      const backlog = yield* BacklogService
      const ask = post("/claim?wait=60", { owner: "w", actor }, { "idempotency-key": "k" })
      const claim = yield* Effect.forkChild(ask)
      yield* backlog.create({ id: "a", title: "A", actor })
      const first = yield* Fiber.join(claim)
      expect(first.json()).toMatchObject({ id: "a", claimToken: 2 })
      yield* backlog.create({ id: "b", title: "B", actor })
      expect((yield* ask).text).toBe(first.text)
    })
  )

  test(
    "waits for less than a proxy's 60 seconds, whatever the request or the program asks for",
    Effect.gen(function* () {
      const waits: Array<number | undefined> = []
      const observed = BacklogService.of({
        ...(yield* BacklogService),
        awaitClaimable: (options) =>
          Effect.sync(() => {
            waits.push(options?.waitSeconds)
            return false
          })
      })
      const { ask, post, url } = yield* Effect.provideService(startServer(), BacklogService, observed)
      const claim = { owner: "w", actor }
      for (const wait of [50, 51, 60]) expect((yield* post(`/claim?wait=${wait}`, claim)).status).toBe(204)
      for (const wait of [50, 60]) expect((yield* ask(`/await-claimable?waitSeconds=${wait}`)).text).toBe("false")
      for (const path of ["/claim?wait=61", "/claim?wait=-1", "/claim?wait=1.5"]) {
        expect([path, (yield* post(path, claim)).json()["_tag"]]).toEqual([path, "InvalidInput"])
      }
      expect((yield* ask("/await-claimable?waitSeconds=61")).json()["_tag"]).toBe("InvalidInput")
      const there = Context.get(yield* Layer.build(Layer.fresh(layerHttp({ url }))), BacklogService)
      expect(yield* there.awaitClaimable({ waitSeconds: 110 })).toBe(false)
      expect(waits).toEqual([50, 50, 50, 50, 50, 50, 50, 10])
    })
  )

  test(
    "waits at most the given time and cannot name a card",
    Effect.gen(function* () {
      const { ask, post } = yield* startServer()
      expect((yield* post("/claim?wait=1", { owner: "w", actor })).status).toBe(204)
      expect((yield* post("/claim?wait=1", { owner: "w", id: "a", actor })).json()).toMatchObject({
        _tag: "InvalidInput"
      })
      expect((yield* ask("/await-claimable?waitSeconds=0")).text).toBe("false")
      expect((yield* ask("/why-nothing-claimable")).json()).toMatchObject({ reason: "Empty" })
    })
  )
})
