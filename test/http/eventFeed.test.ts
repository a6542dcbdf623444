import { assert, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Sse } from "effect/encoding"
import { followEvents } from "../../src/http/client/eventFeed.ts"

type Endpoint = Parameters<typeof followEvents>[0]

/** Follows a server whose connections end without an event, for a simulated hour. Returns how it ended, and the connections. */
const follow = Effect.fnUntraced(function* (connection: Stream.Stream<never, Sse.Retry>) {
  let connections = 0
  const endpoint = (() =>
    Effect.sync(() => {
      connections++
      return connection
    })) as unknown as Endpoint
  const following = yield* Effect.forkChild(Stream.runDrain(followEvents(endpoint, { follow: true })))
  for (let minute = 0; minute < 60; minute++) yield* TestClock.adjust("1 minute")
  const exit = following.pollUnsafe()
  yield* Fiber.interrupt(following)
  return { exit, connections }
})

const lasting = (duration: Duration.Input) => Stream.drain(Stream.fromEffect(Effect.sleep(duration)))

it.effect("a follower reconnects for as long as its connections last, without any event", () =>
  Effect.gen(function* () {
    const { connections, exit } = yield* follow(lasting("1 minute"))
    assert.isUndefined(exit)
    assert.isAbove(connections, 30)
  })
)

it.effect("a follower gives up when no connection lasts", () =>
  Effect.gen(function* () {
    const { connections, exit } = yield* follow(lasting("1 second"))
    assert.isTrue(exit !== undefined && Exit.isFailure(exit))
    assert.strictEqual(connections, 9)
  })
)

it.effect("a follower reconnects when it is asked to", () =>
  Effect.gen(function* () {
    const retry = new Sse.Retry({ duration: Duration.seconds(1), lastEventId: undefined })
    const { connections } = yield* follow(Stream.fail(retry))
    assert.strictEqual(connections, 9)
  })
)
