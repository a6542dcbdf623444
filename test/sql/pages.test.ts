import { it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { streamPagesAhead } from "../../src/sql/pages.ts"
import { expect } from "vitest"

const pages = 40
const rowsPerPage = 10

it.effect("streamPagesAhead prefetches at most six pages", () =>
  Effect.gen(function* () {
    let fetched = 0
    const fetch = (after: number) =>
      Effect.sync(() => {
        if (after >= pages * rowsPerPage) return []
        fetched++
        return Array.from({ length: rowsPerPage }, (_, index) => after + index + 1)
      })
    const seen: Array<number> = []
    yield* Stream.runForEachArray(
      streamPagesAhead(0, fetch, (last) => last),
      Effect.fnUntraced(function* (rows) {
        // Gives the prefetch time to continue.
        for (let turn = 0; turn < 100; turn++) yield* Effect.yieldNow
        seen.push(...rows)
        expect(fetched).toBeLessThanOrEqual(seen.length / rowsPerPage + 5)
      })
    )
    expect(seen).toEqual(Array.from({ length: pages * rowsPerPage }, (_, index) => index + 1))
  })
)
