import { describe, expect, it } from "vitest"
import type { Neighbourhood } from "../../src/board/api/types.ts"
import {
  cardsWithUnknownDependencies,
  joinNeighbourhoods,
  maxNodes,
  toPathGraph
} from "../../src/board/graph/cardGraph.ts"
import { treeRows, type TreeRow } from "../../src/board/graph/treeRows.ts"
import { fitDrawing, reveal, showReadable, zoomAt } from "../../src/board/graph/viewport.ts"

const card = (id: string, unmetDependencies = 0): Neighbourhood["cards"][number] => ({
  id,
  title: `Title of ${id}`,
  status: "ready",
  phase: null,
  labels: [],
  priority: 0,
  owner: null,
  unmetDependencies
})

/** An answer with the edges "a>b": a depends on b. */
const answer = (
  cards: string,
  edges: string,
  rest: Partial<Pick<Neighbourhood, "omitted" | "missing">> = {}
): Neighbourhood => ({
  cards: cards.split(" ").map((id) => card(id)),
  edges: edges.split(" ").flatMap((each) => {
    const [from, to] = each.split(">")
    return from === undefined || to === undefined ? [] : [{ from, to }]
  }),
  omitted: [],
  missing: [],
  ...rest
})

const describeRow = (row: TreeRow): string => {
  const indent = "  ".repeat(row.level - 1)
  const sign = row.isOpen === undefined ? " " : row.isOpen ? "-" : "+"
  const text =
    row._tag === "Card" ? row.node.id : row._tag === "Group" ? `${row.side} ${row.count}` : `${row.count} more`
  return `${indent}${sign}${text} ${row.place}/${row.siblings}`
}

describe("the graph around a card", () => {
  it("joins what the reader expanded, and counts what remains hidden", () => {
    const first = answer("a b", "a>b", { omitted: [{ id: "b", dependencies: 2, dependents: 1 }] })
    const expanded = answer("b a c d", "a>b b>c b>d", { omitted: [{ id: "b", dependencies: 0, dependents: 1 }] })
    const before = joinNeighbourhoods([{ neighbourhood: first, missingEdges: [] }])
    expect(before.nodes.get("b")).toMatchObject({ hiddenDependencies: 2, hiddenDependents: 1 })
    const after = joinNeighbourhoods([first, expanded].map((neighbourhood) => ({ neighbourhood, missingEdges: [] })))
    expect([...after.nodes.keys()]).toEqual(["a", "b", "c", "d"])
    expect(after.nodes.get("b")).toMatchObject({ hiddenDependencies: 0, hiddenDependents: 1 })
    expect(after.edges).toEqual([
      { from: "b", to: "a" },
      { from: "c", to: "b" },
      { from: "d", to: "b" }
    ])
  })

  it("shows a dependency that does not exist, and does not count it as hidden", () => {
    const neighbourhood: Neighbourhood = {
      ...answer("a b", "a>b", { missing: ["gone"], omitted: [{ id: "a", dependencies: 1, dependents: 0 }] }),
      cards: [card("a", 2), card("b")]
    }
    expect(cardsWithUnknownDependencies(neighbourhood)).toEqual(["a"])
    const graph = joinNeighbourhoods([{ neighbourhood, missingEdges: [{ from: "gone", to: "a" }] }])
    expect(graph.nodes.get("gone")).toMatchObject({ status: null, title: undefined })
    expect(graph.nodes.get("a")?.hiddenDependencies).toBe(1)
    expect(graph.edges).toContainEqual({ from: "gone", to: "a" })
  })

  it("has at most 200 cards, and says that it was truncated", () => {
    const ids = Array.from({ length: 150 }, (_, index) => index)
    const parts = ["a", "b"].map((name) => ({
      neighbourhood: answer(ids.map((index) => `${name}${index}`).join(" "), ""),
      missingEdges: []
    }))
    const graph = joinNeighbourhoods(parts)
    expect(graph.nodes.size).toBe(maxNodes)
    expect(graph.isTruncated).toBe(true)
    expect(joinNeighbourhoods(parts.slice(0, 1)).isTruncated).toBe(false)
  })

  it("makes a chain of the critical path", () => {
    const { edges, nodes } = toPathGraph([card("a"), card("b"), card("c")])
    expect([...nodes.keys()]).toEqual(["a", "b", "c"])
    expect(edges).toEqual([
      { from: "a", to: "b" },
      { from: "b", to: "c" }
    ])
  })
})

describe("the tree of a graph", () => {
  const graph = joinNeighbourhoods([
    {
      neighbourhood: answer("a b c d", "a>b b>d c>a", { omitted: [{ id: "c", dependencies: 0, dependents: 3 }] }),
      missingEdges: []
    }
  ])

  it("shows dependencies and dependents of the card in the middle", () => {
    expect(treeRows(graph, "a", new Map()).map(describeRow)).toEqual([
      "-a 1/1",
      "  -dependencies 1 1/2",
      "    +b 1/1",
      "  -dependents 1 2/2",
      "    +c 1/1"
    ])
  })

  it("shows more of a row that the reader opens, and less of one that the reader closes", () => {
    const keys = treeRows(graph, "a", new Map()).map(({ key }) => key)
    const open = new Map([
      [keys[1] ?? "", false],
      [keys[4] ?? "", true]
    ])
    expect(treeRows(graph, "a", open).map(describeRow)).toEqual([
      "-a 1/1",
      "  +dependencies 1 1/2",
      "  -dependents 1 2/2",
      "    -c 1/1",
      "       3 more 1/1"
    ])
  })

  it("is empty without the card in the middle", () => {
    expect(treeRows(graph, "unknown", new Map())).toEqual([])
  })
})

describe("the viewport of a drawing", () => {
  const screen = { width: 1000, height: 600 }

  it("shows a small drawing in its natural size, in the middle", () => {
    expect(fitDrawing({ width: 200, height: 100 }, screen)).toEqual({ scale: 1, x: 400, y: 250 })
  })

  it("shows a large drawing readably, around the card in the middle", () => {
    const { scale, x } = showReadable({ width: 10_000, height: 300 }, screen, { x: 5_000, y: 150 })
    expect(scale).toBeGreaterThan(0.5)
    expect(x + 5_000 * scale).toBeCloseTo(500)
    expect(showReadable({ width: 10_000, height: 300 }, screen, { x: 0, y: 150 }).x).toBe(28)
  })

  it("zooms around a point, which stays where it is", () => {
    const viewport = zoomAt({ x: 10, y: 20, scale: 1 }, 2, { x: 110, y: 120 })
    expect(viewport).toEqual({ scale: 2, x: -90, y: -80 })
    expect(zoomAt(viewport, 100, { x: 0, y: 0 }).scale).toBe(2)
  })

  it("moves as far as needed to show a card", () => {
    const size = { width: 100, height: 40 }
    expect(reveal({ x: 0, y: 0, scale: 1 }, { x: 950, y: 100 }, size, screen)).toEqual({ x: -58, y: 0, scale: 1 })
    expect(reveal({ x: 0, y: 0, scale: 1 }, { x: 100, y: 100 }, size, screen)).toEqual({ x: 0, y: 0, scale: 1 })
    expect(reveal({ x: -500, y: 0, scale: 1 }, { x: 100, y: 100 }, size, screen)).toMatchObject({ x: -92 })
  })
})
