import { Context, Duration, Effect, Fiber, Layer } from "effect"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { layerTestOver } from "../../../src/services/layers.ts"
import { PollInterval } from "../../../src/services/waiting/CommitNotifications.ts"
import { BacklogSchema } from "../../../src/sql/SchemaName.ts"
import { currentClient } from "../../support/backlogs.ts"
import { onBothDatabases, onServer } from "../../support/databases.ts"
import { pool } from "../../support/pools.ts"
import { expect } from "vitest"

/** A service over the test's backlog whose waiters do not poll. */
const withoutPolling = Effect.gen(function* () {
  const layer = Layer.provide(
    layerTestOver(yield* currentClient, yield* BacklogSchema),
    Layer.succeed(PollInterval)(Duration.days(1))
  )
  return Context.get(yield* Layer.build(Layer.fresh(layer)), BacklogService)
})

/** Ends a claim of each kind in `other`, and waits in `backlog` until the waiters return. */
const endClaims = Effect.fnUntraced(function* (backlog: BacklogService["Service"], other: BacklogService["Service"]) {
  const ways: Readonly<Record<string, Effect.Effect<unknown, unknown>>> = {
    blocked: other.block({ id: "blocked", actor: "ann" }),
    completed: other.complete({ id: "completed", force: true, actor: "ann" }),
    reclaimed: other.reclaim({ id: "reclaimed", actor: "ann" }),
    released: other.release({ id: "released", token: 2, actor: "w" })
  }
  const ids = Object.keys(ways)
  yield* other.createMany({ cards: ["held", ...ids].map((id) => ({ id, title: "T" })), actor: "ann" })
  yield* other.claimMany({ owner: "w", limit: 5, actor: "w" })
  const wait = (id: string) => Effect.forkScoped(backlog.awaitClaimEnd({ id, token: 2, waitSeconds: 600 }))
  const held = yield* wait("held")
  const waiting = yield* Effect.forEach(ids, wait)
  for (const [index, end] of Object.values(ways).entries()) {
    expect(waiting.slice(index).map((fiber) => fiber.pollUnsafe())).toEqual(waiting.slice(index).map(() => undefined))
    yield* end
    const fiber = waiting[index]
    if (fiber !== undefined) expect(yield* Fiber.join(fiber)).toBe(true)
    yield* other.renew({ id: "held", token: 2, actor: "w" })
  }
  expect(held.pollUnsafe()).toBeUndefined()
  expect(yield* backlog.awaitClaimEnd({ id: "held", token: 2, waitSeconds: 1 })).toBe(false)
})

onBothDatabases("waiting for the end of a claim", (test) => {
  test(
    "ends with the commit that ends this claim",
    Effect.gen(function* () {
      const backlog = yield* withoutPolling
      yield* endClaims(backlog, backlog)
    })
  )
})

onServer("waiting for the end of a claim that another process ends", (test) => {
  test(
    "ends with the commit that ends this claim",
    Effect.gen(function* () {
      const { backlog } = yield* pool({ pollInterval: Duration.days(1) })
      yield* endClaims(backlog, (yield* pool()).backlog)
    })
  )
})
