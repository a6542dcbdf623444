import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { makeReadFlowPages } from "../../src/events/FlowPages.ts"
import type { FlowPage, FlowReader } from "../../src/events/FlowReader.ts"

/** A log whose chain hashes begin with a name, and the ranges that were read from it. */
const fakeLog = () => {
  const log = { name: "one", read: [] as Array<string> }
  const hashAt = (position: number) => `${log.name} ${position}`
  const reader: FlowReader = {
    page: (after, upTo, { allIds, owners }) =>
      Effect.sync((): FlowPage => {
        log.read.push(`${after}-${upTo}${allIds ? " ids" : ""}${owners ? " owners" : ""}`)
        return {
          ids: [hashAt(upTo)],
          kinds: Uint8Array.of(0),
          times: Float64Array.of(0),
          versions: Int32Array.of(1),
          owners: undefined,
          chainHash: hashAt(upTo)
        }
      }),
    chainHashes: (positions) => Effect.succeed(new Map(positions.map((position) => [position, hashAt(position)]))),
    firstClaims: () => Effect.succeed(new Float64Array())
  }
  return { log, reader }
}

describe("makeReadFlowPages", () => {
  const request = { allIds: false, owners: false, concurrency: 2 }

  const setUp = (kept: number) => {
    const { log, reader } = fakeLog()
    const pages = makeReadFlowPages(reader, { page: 10, kept })
    const read = (after: number, upTo: number, more: Partial<typeof request> = {}) =>
      Effect.gen(function* () {
        log.read = []
        const found = yield* pages({ ...request, ...more, after, upTo })
        return { read: log.read, ids: found.flatMap(({ ids }) => ids) }
      })
    return { log, read }
  }

  it.effect("reads a range in pages, and only its ends when it was read before", () =>
    Effect.gen(function* () {
      const { read } = setUp(10)
      expect((yield* read(5, 32)).read).toEqual(["5-10", "10-20", "20-30", "30-32"])
      const again = yield* read(7, 41)
      expect(again.read).toEqual(["7-10", "30-40", "40-41"])
      expect(again.ids).toEqual(["one 10", "one 20", "one 30", "one 40", "one 41"])
      expect((yield* read(10, 40)).read).toEqual([])
      expect((yield* read(8, 8)).read).toEqual([])
    })
  )

  it.effect("reads pages with other contents again", () =>
    Effect.gen(function* () {
      const { read } = setUp(10)
      yield* read(0, 10)
      expect((yield* read(0, 10, { owners: true })).read).toEqual(["0-10 owners"])
      expect((yield* read(0, 10, { allIds: true })).read).toEqual(["0-10 ids"])
      expect((yield* read(0, 10)).read).toEqual([])
    })
  )

  it.effect("reads the pages of another log again", () =>
    Effect.gen(function* () {
      const { log, read } = setUp(10)
      yield* read(0, 20)
      log.name = "two"
      const again = yield* read(0, 20)
      expect(again.read).toEqual(["0-10", "10-20"])
      expect(again.ids).toEqual(["two 10", "two 20"])
      expect((yield* read(0, 20)).read).toEqual([])
    })
  )

  it.effect("keeps the pages that were used last", () =>
    Effect.gen(function* () {
      const { read } = setUp(2)
      yield* read(0, 20)
      yield* read(0, 10)
      yield* read(20, 30)
      expect((yield* read(0, 30)).read).toEqual(["10-20"])
    })
  )
})
