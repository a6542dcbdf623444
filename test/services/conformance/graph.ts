import { Duration, Effect } from "effect"
import { expect } from "vitest"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { after, ids, input, invalid, refusal, type Test, utc } from "./harness.ts"

/**
 * `a` is first. `b` and `c` depend on it, `d` on both, `e` on `d` and on a card that does not exist. `done` is done and depends
 * on `a`. `x` is alone.
 */
const chain = Effect.gen(function* () {
  const backlog = yield* BacklogService
  const dependsOn: Readonly<Record<string, ReadonlyArray<string>>> = {
    a: [],
    b: ["a"],
    c: ["a"],
    d: ["b", "c"],
    e: ["d", "nowhere"],
    done: ["a"],
    x: []
  }
  yield* backlog.createMany({
    actor: "ann",
    cards: Object.entries(dependsOn).map(([id, on]) => ({
      id,
      title: `Card ${id}`,
      dependsOn: on,
      status: id === "done" ? "done" : "ready",
      phase: id === "x" || id === "a" ? "start" : null,
      labels: ["c", "d"].includes(id) ? ["core"] : []
    }))
  })
  return backlog
})

/** Queries of the graph of cards. */
export const graph = (test: Test): void => {
  test(
    "dependents are listed by id, page by page",
    Effect.gen(function* () {
      const backlog = yield* chain
      const all = yield* backlog.dependents({ id: "a" })
      expect(all.map(({ id, status, unmetDependencies }) => [id, status, unmetDependencies])).toEqual([
        ["b", "ready", 1],
        ["c", "ready", 1],
        ["done", "done", 1]
      ])
      expect(ids(yield* backlog.dependents({ id: "a", limit: 1, after: "b" }))).toEqual(["c"])
      expect(yield* backlog.dependents({ id: "x" })).toEqual([])
      expect(ids(yield* backlog.dependents({ id: "nowhere" }))).toEqual(["e"])
      expect(yield* refusal(backlog.dependents({ id: "unknown" }))).toEqual({ _tag: "CardNotFound", id: "unknown" })
    })
  )

  test(
    "a neighborhood has the cards within some hops, their edges, and what was left out",
    Effect.gen(function* () {
      const backlog = yield* chain
      const one = yield* backlog.neighbourhood({ id: "d" })
      expect(ids(one.cards)).toEqual(["d", "b", "c", "e"])
      expect(one.edges.map(({ from, to }) => `${from}>${to}`)).toEqual(["d>b", "d>c", "e>d"])
      expect(one.omitted).toEqual([
        { id: "b", dependencies: 1, dependents: 0 },
        { id: "c", dependencies: 1, dependents: 0 }
      ])
      expect(one.missing).toEqual(["nowhere"])
      const all = yield* backlog.neighbourhood({ id: "d", hops: 10 })
      expect(ids(all.cards).toSorted()).toEqual(["a", "b", "c", "d", "done", "e"])
      expect(all.omitted).toEqual([])
      const few = yield* backlog.neighbourhood({ id: "d", hops: 10, limit: 2 })
      expect(ids(few.cards)).toEqual(["d", "b"])
      expect(few.omitted).toEqual([
        { id: "b", dependencies: 1, dependents: 0 },
        { id: "d", dependencies: 1, dependents: 1 }
      ])
      expect(yield* backlog.neighbourhood({ id: "x", hops: 0 })).toMatchObject({ edges: [], omitted: [], missing: [] })
      expect(yield* refusal(backlog.neighbourhood({ id: "nowhere" }))).toEqual({ _tag: "CardNotFound", id: "nowhere" })
      expect(yield* invalid(backlog.neighbourhood({ id: "x", hops: 11 }))).toContain("hops")
    })
  )

  test(
    "up to 1,000 left-out neighbors of each card are counted, in addition to those in the neighborhood",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("hub"))
      const names = Array.from({ length: 1_200 }, (_, index) => `n${index}`)
      yield* backlog.createMany({
        actor: "ann",
        cards: names.map((id) => ({ id, title: "N", dependsOn: ["hub"] }))
      })
      const omitted = (limit: number) =>
        Effect.map(backlog.neighbourhood({ id: "hub", limit }), (found) => found.omitted)
      expect(yield* omitted(1)).toEqual([{ id: "hub", dependencies: 0, dependents: 1_000 }])
      expect(yield* omitted(1_000)).toEqual([{ id: "hub", dependencies: 0, dependents: 201 }])
    })
  )

  test(
    "impact counts what a completion makes claimable, and every card that waits",
    Effect.gen(function* () {
      const backlog = yield* chain
      const impact = { id: "a", claimable: ["b", "c"], claimableCount: 2, waiting: 4, isComplete: true }
      expect(yield* backlog.impact("a")).toEqual(impact)
      expect(yield* backlog.impact("d")).toMatchObject({ claimable: [], claimableCount: 0, waiting: 1 })
      yield* backlog.revise({ id: "c", priority: 5, actor: "ann" })
      expect((yield* backlog.impact("a")).claimable).toEqual(["c", "b"])
      yield* backlog.revise({ id: "b", notBefore: utc(after(60)), actor: "ann" })
      expect((yield* backlog.impact("a")).claimable).toEqual(["c"])
      yield* backlog.block({ id: "c", actor: "ann" })
      const { claimable, waiting } = yield* backlog.impact("a")
      expect([claimable, waiting]).toEqual([[], 4])
      const { madeClaimable } = yield* backlog.complete({ id: "a", actor: "ann" })
      expect(madeClaimable).toEqual([])
      expect(yield* backlog.impact("a")).toEqual({ ...impact, claimable: [], claimableCount: 0, waiting: 0 })
      expect(yield* refusal(backlog.impact("nowhere"))).toEqual({ _tag: "CardNotFound", id: "nowhere" })
    })
  )

  test(
    "the critical path does not compare every edge with every chosen card",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const names = Array.from({ length: 4_000 }, (_, index) => `n${index}`)
      yield* backlog.createMany({
        actor: "ann",
        cards: names.map((id) => ({ id, title: "N", dependsOn: ["hub"], labels: ["many"] }))
      })
      const [took, found] = yield* Effect.timed(backlog.criticalPath({ label: "many" }))
      expect(ids(found)).toEqual(["n0"])
      // The comparisons take half a minute.
      expect(Duration.toSeconds(took)).toBeLessThan(10)
    })
  )

  test(
    "the critical path is a longest chain of open cards",
    Effect.gen(function* () {
      const backlog = yield* chain
      expect(ids(yield* backlog.criticalPath())).toEqual(["a", "b", "d", "e"])
      expect(ids(yield* backlog.criticalPath({ label: "core" }))).toEqual(["c", "d"])
      expect(ids(yield* backlog.criticalPath({ phase: "start" }))).toEqual(["a"])
      expect(yield* backlog.criticalPath({ phase: "nowhere" })).toEqual([])
      yield* backlog.complete({ id: "a", actor: "ann" })
      expect(ids(yield* backlog.criticalPath())).toEqual(["b", "d", "e"])
      yield* backlog.create(input("f", { dependsOn: ["e"] }))
      expect(ids(yield* backlog.criticalPath())).toEqual(["b", "d", "e", "f"])
    })
  )
}
