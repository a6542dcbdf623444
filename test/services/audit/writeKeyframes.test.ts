import { Clock, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { describe, expect, it } from "@effect/vitest"
import { KeyframeSchedule, writeKeyframes } from "../../../src/services/audit/writeKeyframes.ts"

/** How long a write takes, in milliseconds. */
const writeMillis = 100

/** Writes keyframes of a backlog whose log has `end` events, with a writer that did not write the last one. */
const simulateWrites = Effect.fnUntraced(function* (backlog: { end: number; due: number | undefined; isOwn: boolean }) {
  const times: Array<number> = []
  const writeNext = Effect.fnUntraced(function* (_: number, mayWrite: (due: number) => boolean = () => true) {
    const { due, isOwn } = backlog
    if (due === undefined || (!isOwn && !mayWrite(due))) return false
    times.push(yield* Clock.currentTimeMillis)
    yield* Effect.sleep(writeMillis)
    return true
  })
  yield* writeKeyframes(
    { writeNext, forget: () => {} },
    Effect.sync(() => ({ position: backlog.end }))
  ).pipe(
    Effect.provide(Layer.succeed(KeyframeSchedule)({ first: "1 second", interval: "1 second" })),
    Effect.forkScoped
  )
  return times
})

describe("writing keyframes in the background", () => {
  it.effect("a process writes a keyframe that was due at three checks", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const backlog = { end: 2_000, due: 2_000, isOwn: false }
        const times = yield* simulateWrites(backlog)
        // Another process writes one between two checks.
        for (let written = 0; written < 10; written++) {
          yield* TestClock.adjust("1 second")
          backlog.due += 2_000
        }
        expect(times).toEqual([])
        yield* TestClock.adjust("2 seconds")
        expect(times).toEqual([])
        yield* TestClock.adjust("1 second")
        expect(times).toEqual([13_000])
      })
    )
  )

  it.effect("a process that has written one continues without waiting for checks", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const backlog: { end: number; due: number | undefined; isOwn: boolean } = {
          end: 2_000,
          due: 2_000,
          isOwn: true
        }
        const times = yield* simulateWrites(backlog)
        yield* TestClock.adjust("1 second")
        expect(times).toEqual([1_000])
        // One that is missing before the others does not follow the last one that it wrote.
        backlog.isOwn = false
        yield* TestClock.adjust(2 * writeMillis)
        expect(times).toEqual([1_000, 1_200])
      })
    )
  )

  it.effect("writes use a tenth of a processor while the log grows, and half of one otherwise", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const backlog = { end: 2_000, due: 2_000, isOwn: true }
        const times = yield* simulateWrites(backlog)
        yield* TestClock.adjust("1 second")
        yield* TestClock.adjust(2 * writeMillis)
        expect(times).toEqual([1_000, 1_200])
        backlog.end++
        yield* TestClock.adjust(2 * writeMillis)
        expect(times).toEqual([1_000, 1_200, 1_400])
        yield* TestClock.adjust(9 * writeMillis)
        expect(times).toHaveLength(3)
        yield* TestClock.adjust(writeMillis)
        expect(times).toEqual([1_000, 1_200, 1_400, 2_400])
      })
    )
  )
})
