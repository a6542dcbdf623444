import { describe, expect, it } from "vitest"
import { type GraphToLayOut, type LayoutOptions, layoutGraph } from "../../src/board/graph/layoutGraph.ts"
import { countCrossings } from "../../src/board/graph/orderLayers.ts"

const options: LayoutOptions = { direction: "horizontal", width: 100, height: 40, layerGap: 60, nodeGap: 20 }

/** A graph of edges such as "a>b": b depends on a. */
const graphOf = (...edges: ReadonlyArray<string>): GraphToLayOut => {
  const pairs = edges.map((edge) => edge.split(">") as [string, string])
  return { ids: [...new Set(pairs.flat())], edges: pairs.map(([from, to]) => ({ from, to })) }
}

/** A graph of this many cards, each with up to three dependencies among the earlier ones. */
const randomGraph = (count: number, seed: number): GraphToLayOut => {
  let state = seed
  const random = (below: number): number => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return Math.floor((state / 2 ** 31) * below)
  }
  const ids = Array.from({ length: count }, (_, index) => `c${index}`)
  const edges = ids.flatMap((to, index) =>
    index === 0 ? [] : Array.from({ length: random(4) }, () => ({ from: `c${random(index)}`, to }))
  )
  return { ids, edges }
}

describe("the layout of a graph", () => {
  it("places each card after its dependencies", () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const graph = randomGraph(120, seed)
      const { places } = layoutGraph(graph, options)
      for (const { from, to } of graph.edges) {
        expect(places.get(from)?.x ?? 0).toBeLessThanOrEqual((places.get(to)?.x ?? 0) - 160)
      }
    }
  })

  it("places dependencies above their dependents in a vertical drawing", () => {
    const { height, places, width } = layoutGraph(graphOf("a>b", "b>c"), { ...options, direction: "vertical" })
    expect(["a", "b", "c"].map((id) => places.get(id))).toEqual([
      { x: 0, y: 0 },
      { x: 0, y: 100 },
      { x: 0, y: 200 }
    ])
    expect({ width, height }).toEqual({ width: 100, height: 240 })
  })

  it("lets no two cards overlap, and stays within its size", () => {
    for (const seed of [6, 7, 8]) {
      const { height, places, width } = layoutGraph(randomGraph(200, seed), options)
      const all = [...places.values()]
      for (const [index, left] of all.entries()) {
        for (const right of all.slice(index + 1)) {
          expect(left.x !== right.x || Math.abs(left.y - right.y) >= 59).toBe(true)
        }
        expect(left.x >= 0 && left.x + 100 <= width && left.y >= -1 && left.y + 40 <= height + 1).toBe(true)
      }
    }
  })

  it("removes crossings that another order avoids", () => {
    const { places } = layoutGraph(graphOf("a>y", "b>x", "c>z", "a>z"), options)
    const order = (ids: ReadonlyArray<string>): ReadonlyArray<string> =>
      ids.toSorted((left, right) => (places.get(left)?.y ?? 0) - (places.get(right)?.y ?? 0))
    const before = order(["a", "b", "c"])
    const after = order(["x", "y", "z"])
    const edges = graphOf("a>y", "b>x", "c>z", "a>z").edges
    const links = [before.map((_, index) => index), after.map((_, index) => index + 3)]
    const adjacent = before.map((from) =>
      edges.filter((edge) => edge.from === from).map(({ to }) => after.indexOf(to) + 3)
    )
    expect(countCrossings(links, adjacent)).toBe(0)
  })

  it("counts crossings", () => {
    const layers = [
      [0, 1],
      [2, 3]
    ]
    expect(countCrossings(layers, [[3], [2]])).toBe(1)
    expect(countCrossings(layers, [[2], [3]])).toBe(0)
    expect(
      countCrossings(layers, [
        [2, 3],
        [2, 3]
      ])
    ).toBe(1)
  })

  it("moves a dependency next to its only dependent, however long the other chain is", () => {
    const { places } = layoutGraph(graphOf("a>b", "b>c", "c>d", "late>d"), options)
    expect(places.get("late")?.x).toBe(places.get("c")?.x)
  })

  it("leads a long edge around the cards between its ends", () => {
    const { edges, places } = layoutGraph(graphOf("a>b", "b>c", "a>c"), options)
    const long = edges.find(({ from, to }) => from === "a" && to === "c")
    const between = places.get("b")
    const through = long?.points.filter(({ x }) => x === (between?.x ?? 0))
    expect(through).toHaveLength(1)
    expect(Math.abs((through?.[0]?.y ?? 0) - ((between?.y ?? 0) + 20))).toBeGreaterThanOrEqual(20)
  })

  it("ends with a cycle, an edge to itself, an unknown end, and nothing at all", () => {
    const cycle = graphOf("a>b", "b>c", "c>a", "c>d")
    expect(layoutGraph(cycle, options).places.size).toBe(4)
    const odd = { ids: ["a"], edges: ["a", "b"].map((to) => ({ from: "a", to })) }
    expect(layoutGraph(odd, options)).toMatchObject({ edges: [], width: 100, height: 40 })
    expect(layoutGraph({ ids: [], edges: [] }, options)).toMatchObject({ width: 0, height: 0 })
  })

  it("takes milliseconds for 200 cards", () => {
    const graph = randomGraph(200, 1)
    const times = Array.from({ length: 60 }, () => {
      const startedAt = performance.now()
      layoutGraph(graph, options)
      return performance.now() - startedAt
    })
    // 4 ms on an idle machine. The fastest of many, because others may use the processor too.
    expect(Math.min(...times)).toBeLessThan(40)
  })
})
