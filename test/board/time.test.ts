import { describe, expect, it } from "vitest"
import type { CardDiff, Density } from "../../src/board/api/types.ts"
import { countChanges, fieldChanges } from "../../src/board/time/changes.ts"
import { makeMomentReader } from "../../src/board/time/momentReader.ts"
import { barsOf, dayEnds, dayMarks, speedFor, zoomRange } from "../../src/board/time/timeline.ts"

const at = (second: number): string => new Date(Date.UTC(2026, 0, 5, 12) + second * 1000).toISOString()

/** Parts of ten events each, that end at these seconds. The first begins at second 0. */
const densityOf = (...ends: ReadonlyArray<number>): Density => ({
  from: 1,
  to: ends.length * 10,
  buckets: ends.map((end, index) => ({
    from: index * 10 + 1,
    to: index * 10 + 10,
    startedAt: at(index === 0 ? 0 : (ends[index - 1] ?? 0)),
    endedAt: at(end)
  }))
})

describe("the chart of the log", () => {
  it("shows how many events a second each part has, on a logarithmic scale", () => {
    const bars = barsOf(densityOf(9, 19, 19.1, 1_019.1))
    expect(bars.map(({ rate }) => Number(rate.toPrecision(2)))).toEqual([1, 1, 100, 0.01])
    expect(bars.map(({ start, width }) => [start, width])).toEqual([0, 0.25, 0.5, 0.75].map((start) => [start, 0.25]))
    expect(bars[2]?.height).toBeCloseTo(1)
    expect(bars[3]?.height).toBeCloseTo(0.06)
    expect(bars[0]?.height).toBeCloseTo(0.53, 1)
  })

  it("has bars of half the height if all parts are equally dense, also within one millisecond", () => {
    expect(barsOf(densityOf(0)).map(({ height, rate }) => [height, rate])).toEqual([[0.5, 9_000]])
  })

  it("marks days, but not next to each other", () => {
    const day = 86_400
    const bars = barsOf(densityOf(...Array.from({ length: 40 }, (_, index) => index * day)))
    const marks = dayMarks(bars)
    expect(marks.length).toBeGreaterThan(4)
    for (const [index, mark] of marks.entries()) {
      expect(mark.start - (marks[index - 1]?.start ?? 0)).toBeGreaterThanOrEqual(0.1)
    }
    expect(dayMarks(barsOf(densityOf(1, 2, 3)))).toEqual([])
  })

  it("knows when a day and the day before it end, by the reader's clock", () => {
    const { before, own } = dayEnds(new Date(2026, 2, 10, 15, 30).toISOString())
    expect(own.getTime()).toBe(new Date(2026, 2, 11).getTime() - 1)
    expect(before.getTime()).toBe(new Date(2026, 2, 10).getTime() - 1)
  })

  it("zooms around a position, and not beyond the log", () => {
    expect(zoomRange({ from: 1, to: 1_000 }, 0.1, 500, 1_000)).toEqual({ from: 451, to: 550 })
    expect(zoomRange({ from: 1, to: 1_000 }, 0.1, 1, 1_000)).toEqual({ from: 1, to: 100 })
    expect(zoomRange({ from: 1, to: 1_000 }, 0.1, 1_000, 1_000)).toEqual({ from: 901, to: 1_000 })
    expect(zoomRange({ from: 451, to: 550 }, 10, 500, 1_000)).toMatchObject({ from: 1, to: 1_000 })
    expect(zoomRange({ from: 1, to: 5 }, 0.1, 3, 5)).toEqual({ from: 1, to: 5 })
  })

  it("plays a range in about half a minute", () => {
    expect([20, 600, 1_000_000].map((to) => speedFor({ from: 1, to }))).toEqual([1, 10, 10_000])
  })
})

describe("the reader of a slider", () => {
  const makeFrames = () => {
    let frames: Array<() => void> = []
    return {
      nextFrame: (run: () => void): void => void frames.push(run),
      run: async (): Promise<void> => {
        const current = frames
        frames = []
        for (const each of current) each()
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
  }

  /** A load whose answers the test gives. */
  const makeLoads = () => {
    const started: Array<{ key: number; signal: AbortSignal; end: () => void; fail: (cause: unknown) => void }> = []
    const load = (key: number, signal: AbortSignal): Promise<string> =>
      new Promise((resolve, reject) => {
        started.push({ key, signal, end: () => resolve(`value ${key}`), fail: reject })
        signal.addEventListener("abort", () => reject(signal.reason as Error))
      })
    return { load, started }
  }

  it("reads the newest place, once a frame and one at a time", async () => {
    const frames = makeFrames()
    const { load, started } = makeLoads()
    const reader = makeMomentReader(load, frames.nextFrame)
    reader.read(1)
    reader.read(2)
    reader.read(3)
    await frames.run()
    expect(started.map(({ key }) => key)).toEqual([3])
    reader.read(4)
    await frames.run()
    reader.read(5)
    await frames.run()
    expect(started).toHaveLength(1)
    started[0]?.end()
    await frames.run()
    await frames.run()
    expect(reader.state.value.value).toBe("value 3")
    expect(started.map(({ key }) => key)).toEqual([3, 5])
    reader.close()
    expect(started[1]?.signal.aborted).toBe(true)
  })

  it("aborts a slow read for a place that was left, and reads the new place", async () => {
    const frames = makeFrames()
    const { load, started } = makeLoads()
    const reader = makeMomentReader(load, frames.nextFrame)
    reader.read(1)
    await frames.run()
    reader.read(2)
    await frames.run()
    expect(started[0]?.signal.aborted).toBe(false)
    await new Promise<void>((resolve) => started[0]?.signal.addEventListener("abort", () => resolve()))
    await frames.run()
    await frames.run()
    expect(started[1]?.key).toBe(2)
    started[1]?.end()
    await frames.run()
    expect(reader.state.value).toEqual({ value: "value 2", failure: undefined, isReading: false })
  })

  it("keeps the last answer when a read fails", async () => {
    const frames = makeFrames()
    const { load, started } = makeLoads()
    const reader = makeMomentReader(load, frames.nextFrame)
    reader.read(1)
    await frames.run()
    started[0]?.end()
    await frames.run()
    reader.read(2)
    await frames.run()
    started[1]?.fail("offline")
    await frames.run()
    expect(reader.state.value).toEqual({ value: "value 1", failure: "offline", isReading: false })
  })
})

describe("the comparison of two moments", () => {
  const card = {
    id: "a",
    title: "A",
    body: null,
    phase: null,
    labels: [],
    priority: 0,
    status: "ready",
    dependsOn: [],
    claimOwner: null
  }
  const diffOf = (before: object | null, after: object, ...fields: ReadonlyArray<string>): CardDiff =>
    ({ id: "a", before: before && { ...card, ...before }, after: { ...card, ...after }, fields }) as unknown as CardDiff

  it("says how each field changed, in the reader's words", () => {
    const diff = diffOf(
      { labels: ["ui"], dependsOn: ["x", "y"], body: "b".repeat(500) },
      { claimOwner: "w1", claimToken: 5, priority: 3, body: "c" },
      "labels",
      "dependsOn",
      "claimOwner",
      "claimToken",
      "priority",
      "body"
    )
    expect(fieldChanges(diff)).toEqual([
      { field: "labels", before: "ui", after: undefined, isLong: false, isTime: false },
      { field: "dependencies", before: "x, y", after: undefined, isLong: false, isTime: false },
      { field: "owner", before: undefined, after: "w1", isLong: false, isTime: false },
      { field: "priority", before: "0", after: "3", isLong: false, isTime: false },
      { field: "body", before: undefined, after: undefined, isLong: true, isTime: false }
    ])
    expect(fieldChanges(diffOf(null, {}, "title"))).toEqual([])
  })

  it("counts each card once", () => {
    const diffs = [
      diffOf(null, {}),
      diffOf(null, { status: "done" }, "status"),
      diffOf({}, { status: "done" }, "status"),
      diffOf({}, { title: "B" }, "title"),
      diffOf({}, {})
    ]
    expect(countChanges(diffs)).toEqual({ created: 2, completed: 1, changed: 1, unchanged: 1 })
  })
})
