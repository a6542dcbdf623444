import { layer } from "@effect/vitest"
import { Effect, Option } from "effect"
import { BacklogService, BacklogTestClock, layerTest } from "../../../src/index.ts"
import { expect } from "vitest"

layer(layerTest, { timeout: "60 seconds" })("leases", (it) => {
  it.effect("end", () =>
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const clock = yield* BacklogTestClock
      yield* backlog.create({ id: "a", title: "A", actor: "test" })
      yield* backlog.claim({ owner: "one", ttlSeconds: 60, actor: "one" })
      yield* clock.advance("61 seconds")
      const taken = yield* backlog.claim({ owner: "two", actor: "two" })
      expect(Option.getOrThrow(taken).attempts).toBe(2)
    })
  )
})
