/** An edge between two nodes, by their places in the list: `from` is drawn before `to`. */
export interface PlacedEdge {
  readonly from: number
  readonly to: number
}

/**
 * The layers of a graph. `layerOf` says the layer of each vertex. Vertices after the nodes are bends, where a long edge passes a
 * layer. `links` are the edges between neighboring layers, and `chains` the vertices of each edge, from its first to its last.
 */
export interface Layers {
  readonly layerOf: ReadonlyArray<number>
  readonly links: ReadonlyArray<PlacedEdge>
  readonly chains: ReadonlyArray<ReadonlyArray<number>>
}

/** Up to this many bends are inserted. The long edges of a denser graph pass behind its nodes. */
const maxBends = 1_000

/**
 * Divides nodes into layers, so that each edge leads to a later layer. Nodes with more edges ahead than behind are moved toward
 * the nodes that follow them, which shortens the edges. Edges that close a cycle, which only a damaged backlog has, are drawn
 * backwards.
 */
export const divideIntoLayers = (count: number, edges: ReadonlyArray<PlacedEdge>): Layers => {
  const before = neighbors(count, edges, "from", "to")
  const after = neighbors(count, edges, "to", "from")
  const order = sortTopologically(count, before, after)
  const rank: Array<number> = Array.from({ length: count }, () => 0)
  for (const [place, node] of order.entries()) rank[node] = place
  const isAhead = (node: number, other: number): boolean => (rank[other] ?? 0) > (rank[node] ?? 0)
  const layerOf = Array.from({ length: count }, () => 0)
  for (const node of order) {
    for (const next of after[node] ?? []) {
      if (isAhead(node, next)) layerOf[next] = Math.max(layerOf[next] ?? 0, (layerOf[node] ?? 0) + 1)
    }
  }
  for (const node of order.toReversed()) {
    const next = (after[node] ?? []).filter((other) => isAhead(node, other))
    if (next.length > (before[node]?.length ?? 0)) {
      layerOf[node] = Math.min(...next.map((other) => layerOf[other] ?? 0)) - 1
    }
  }
  return insertBends(layerOf, edges)
}

const neighbors = (
  count: number,
  edges: ReadonlyArray<PlacedEdge>,
  of: "from" | "to",
  other: "from" | "to"
): ReadonlyArray<ReadonlyArray<number>> => {
  const lists: Array<Array<number>> = Array.from({ length: count }, () => [])
  for (const edge of edges) lists[edge[other]]?.push(edge[of])
  return lists
}

/** Returns the nodes, each after those before it. The nodes of a cycle follow in the order of the list. */
const sortTopologically = (
  count: number,
  before: ReadonlyArray<ReadonlyArray<number>>,
  after: ReadonlyArray<ReadonlyArray<number>>
): ReadonlyArray<number> => {
  const missing = before.map((list) => list.length)
  const order: Array<number> = []
  const isPlaced = Array.from({ length: count }, () => false)
  const place = (node: number): void => {
    isPlaced[node] = true
    order.push(node)
  }
  for (let node = 0; node < count; node++) if (missing[node] === 0) place(node)
  for (let next = 0, first = 0; order.length < count || next < order.length;) {
    const node = order[next]
    if (node === undefined) {
      // Only cycles are left.
      while (isPlaced[first] === true) first++
      place(first)
      continue
    }
    next++
    for (const each of after[node] ?? []) {
      missing[each] = (missing[each] ?? 0) - 1
      if (missing[each] === 0 && isPlaced[each] !== true) place(each)
    }
  }
  return order
}

const insertBends = (nodeLayers: ReadonlyArray<number>, edges: ReadonlyArray<PlacedEdge>): Layers => {
  const layerOf = [...nodeLayers]
  const links: Array<PlacedEdge> = []
  let bends = 0
  const chains = edges.map(({ from, to }) => {
    const start = layerOf[from] ?? 0
    const end = layerOf[to] ?? 0
    const length = end - start - 1
    if (length < 0 || bends + length > maxBends) return [from, to]
    const chain = [from]
    for (let layer = start + 1; layer < end; layer++) {
      chain.push(layerOf.length)
      layerOf.push(layer)
    }
    bends += length
    chain.push(to)
    for (const [index, vertex] of chain.entries()) {
      const next = chain[index + 1]
      if (next !== undefined) links.push({ from: vertex, to: next })
    }
    return chain
  })
  return { layerOf, links, chains }
}
