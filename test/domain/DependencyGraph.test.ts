import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import type { CardId } from "../../src/domain/CardId.ts"
import { findCycle, findPath } from "../../src/domain/DependencyGraph.ts"
import { id } from "./support.ts"

const ids = ["a", "b", "c", "d", "e", "f"].map(id)

const Id = Schema.Literals(ids)

/** A small graph of any shape, including self-dependencies and duplicate edges. */
const Edges = Schema.Array(Schema.Tuple([Id, Id])).check(Schema.isMaxLength(10))

type Edges = typeof Edges.Type

const graph =
  (edges: Edges) =>
  (card: CardId): ReadonlyArray<CardId> =>
    edges.filter(([from]) => from === card).map(([, to]) => to)

/** Whether a path of at most `steps` edges exists. Tries every path. */
const canReach = (edges: Edges, from: CardId, to: CardId, steps = ids.length): boolean =>
  from === to || (steps > 0 && graph(edges)(from).some((next) => canReach(edges, next, to, steps - 1)))

const isOnCycle = (edges: Edges, card: CardId): boolean =>
  graph(edges)(card).some((next) => canReach(edges, next, card))

const expectPath = (edges: Edges, path: ReadonlyArray<CardId>): void => {
  for (const [index, card] of path.slice(1).entries()) {
    expect(graph(edges)(path[index] ?? card)).toContain(card)
  }
}

const runs = { arbitrary: { runs: 500, size: 10 } }

describe("findPath", () => {
  it.prop(
    "finds a path if and only if one exists",
    { edges: Edges, starts: Schema.Array(Id).check(Schema.isMaxLength(3)), target: Id },
    ({ edges, starts, target }) => {
      const path = findPath(starts, target, graph(edges))
      expect(path !== undefined).toBe(starts.some((start) => canReach(edges, start, target)))
      if (path !== undefined) {
        expect(starts).toContain(path[0])
        expect(path.at(-1)).toBe(target)
        expect(new Set(path).size).toBe(path.length)
        expectPath(edges, path)
      }
    },
    runs
  )

  it("returns the card itself for a path from a card to itself", () => {
    expect(findPath([id("a")], id("a"), () => [])).toEqual(["a"])
  })
})

describe("findCycle", () => {
  it.prop(
    "finds a cycle if and only if one can be reached",
    { edges: Edges, starts: Schema.Array(Id).check(Schema.isMaxLength(3)) },
    ({ edges, starts }) => {
      const cycle = findCycle(starts, graph(edges))
      const expected = starts.some((start) =>
        ids.some((card) => canReach(edges, start, card) && isOnCycle(edges, card))
      )
      expect(cycle !== undefined).toBe(expected)
      if (cycle !== undefined) {
        expect(cycle.length).toBeGreaterThan(1)
        expect(cycle.at(-1)).toBe(cycle[0])
        expect(new Set(cycle).size).toBe(cycle.length - 1)
        expectPath(edges, cycle)
        expect(starts.some((start) => canReach(edges, start, cycle[0] ?? start))).toBe(true)
      }
    },
    runs
  )
})

describe("long chains and dense graphs", () => {
  const length = 100_000
  const chain = Array.from({ length }, (_, index) => id(`c${index}`))
  const next = new Map(chain.map((card, index) => [card, chain.slice(index + 1, index + 2)]))
  const [first = id("none")] = chain
  const last = chain.at(-1) ?? first

  it("a chain of 100,000 cards has a path from end to end and no cycle", () => {
    const dependenciesOf = (card: CardId) => next.get(card) ?? []
    expect(findPath([first], last, dependenciesOf)).toHaveLength(length)
    expect(findPath([last], first, dependenciesOf)).toBeUndefined()
    expect(findCycle(chain, dependenciesOf)).toBeUndefined()
  })

  it("a ring of 100,000 cards is a cycle", () => {
    const dependenciesOf = (card: CardId) => (card === last ? [first] : (next.get(card) ?? []))
    expect(findCycle([first], dependenciesOf)).toHaveLength(length + 1)
  })

  it("each card is visited once, regardless of the number of paths to it", () => {
    // Forty layers of two cards. Each card depends on both cards of the next layer, so there are 2^40 paths.
    const visits = new Map<CardId, number>()
    const dependenciesOf = (card: CardId): ReadonlyArray<CardId> => {
      visits.set(card, (visits.get(card) ?? 0) + 1)
      const layer = Number(card.slice(1))
      return layer < 40 ? [id(`a${layer + 1}`), id(`b${layer + 1}`)] : []
    }
    expect(findPath([id("a0"), id("b0")], id("none"), dependenciesOf)).toBeUndefined()
    expect(Math.max(...visits.values())).toBe(1)
    visits.clear()
    expect(findCycle([id("a0"), id("b0")], dependenciesOf)).toBeUndefined()
    expect(Math.max(...visits.values())).toBe(1)
  })
})
