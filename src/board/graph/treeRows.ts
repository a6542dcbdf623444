import type { CardGraph, GraphNode } from "./cardGraph.ts"

/** A row of the tree: a card, a group of its neighbors, or the neighbors that the graph does not have. */
export type TreeRow = {
  /** The path to the row: unique in the tree, and stable while the graph changes. */
  readonly key: string
  /** 1 for the card in the middle. */
  readonly level: number
  /** Its place among its siblings, from 1, and their number. */
  readonly place: number
  readonly siblings: number
  /** Whether its children are shown; `undefined` if it has none. */
  readonly isOpen: boolean | undefined
} & (
  | { readonly _tag: "Card"; readonly node: GraphNode }
  | { readonly _tag: "Group"; readonly side: Side; readonly count: number }
  | { readonly _tag: "Hidden"; readonly side: Side; readonly of: string; readonly count: number }
)

/** Dependencies are what a card waits for; dependents wait for the card. */
export type Side = "dependencies" | "dependents"

/** Which rows the reader opened or closed, by their keys. The other rows are open up to the groups of the card in the middle. */
export type OpenRows = ReadonlyMap<string, boolean>

type Row = TreeRow extends infer R ? (R extends TreeRow ? Omit<R, "place" | "siblings"> : never) : never

/** Returns the visible rows of the tree around a card. A card occurs under each card that it is connected with. */
export const treeRows = (graph: CardGraph, root: string, open: OpenRows): ReadonlyArray<TreeRow> => {
  const before = new Map<string, Array<string>>()
  const after = new Map<string, Array<string>>()
  for (const { from, to } of graph.edges) {
    before.set(to, [...(before.get(to) ?? []), from])
    after.set(from, [...(after.get(from) ?? []), to])
  }
  const neighborsOf = (id: string, side: Side): ReadonlyArray<GraphNode> =>
    ((side === "dependencies" ? before : after).get(id) ?? []).flatMap((each) => graph.nodes.get(each) ?? [])
  const hiddenOf = (node: GraphNode, side: Side): number =>
    side === "dependencies" ? node.hiddenDependencies : node.hiddenDependents

  const list = (rows: ReadonlyArray<{ readonly row: Row; readonly children: () => ReadonlyArray<TreeRow> }>) =>
    rows.flatMap(({ children, row }, index): ReadonlyArray<TreeRow> => [
      { ...row, place: index + 1, siblings: rows.length },
      ...(row.isOpen === true ? children() : [])
    ])
  const sideRows = (node: GraphNode, side: Side, key: string, level: number): ReadonlyArray<TreeRow> => {
    const hidden = hiddenOf(node, side)
    const cards = neighborsOf(node.id, side).map((each) => {
      const cardKey = `${key}\n${each.id}`
      const hasChildren = neighborsOf(each.id, side).length + hiddenOf(each, side) > 0
      const isOpen = hasChildren ? (open.get(cardKey) ?? false) : undefined
      const row: Row = { _tag: "Card", key: cardKey, level, isOpen, node: each }
      return { row, children: () => sideRows(each, side, cardKey, level + 1) }
    })
    const more: Row = { _tag: "Hidden", key: `${key}\n+`, level, isOpen: undefined, side, of: node.id, count: hidden }
    return list(hidden > 0 ? [...cards, { row: more, children: () => [] }] : cards)
  }

  const node = graph.nodes.get(root)
  if (node === undefined) return []
  const groups = (["dependencies", "dependents"] as const).flatMap((side) => {
    const count = neighborsOf(root, side).length + hiddenOf(node, side)
    if (count === 0) return []
    const row: Row = { _tag: "Group", key: side, level: 2, isOpen: open.get(side) ?? true, side, count }
    return [{ row, children: () => sideRows(node, side, side, 3) }]
  })
  const isOpen = groups.length === 0 ? undefined : (open.get("") ?? true)
  return list([{ row: { _tag: "Card", key: "", level: 1, isOpen, node }, children: () => list(groups) }])
}

/** Returns a chain of cards as a tree of one level. */
export const pathRows = (graph: CardGraph): ReadonlyArray<TreeRow> =>
  [...graph.nodes.values()].map((node, index) => ({
    _tag: "Card",
    key: node.id,
    level: 1,
    place: index + 1,
    siblings: graph.nodes.size,
    isOpen: undefined,
    node
  }))
