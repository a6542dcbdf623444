import { divideIntoLayers, type PlacedEdge } from "./layers.ts"
import { orderLayers, toAdjacency } from "./orderLayers.ts"

/** A place in the drawing, in pixels. */
export interface Point {
  readonly x: number
  readonly y: number
}

/** A graph to be laid out. An edge leads from a dependency to the card that depends on it. */
export interface GraphToLayOut {
  readonly ids: ReadonlyArray<string>
  /** Edges with an end that is not in `ids` are left out. */
  readonly edges: ReadonlyArray<{ readonly from: string; readonly to: string }>
}

/** The sizes of a drawing, in pixels. */
export interface LayoutOptions {
  /** Dependencies are left of their dependents in a `horizontal` drawing, and above them in a `vertical` one. */
  readonly direction: "horizontal" | "vertical"
  readonly width: number
  readonly height: number
  /** Space between layers. */
  readonly layerGap: number
  /** Space between the nodes of a layer. */
  readonly nodeGap: number
}

/** A drawing: the top left corner of each node, the points of each edge, and its size in pixels. */
export interface GraphLayout {
  readonly places: ReadonlyMap<string, Point>
  readonly edges: ReadonlyArray<{ readonly from: string; readonly to: string; readonly points: ReadonlyArray<Point> }>
  readonly width: number
  readonly height: number
}

/** A bend takes less room in its layer than a node: this part of it. */
const bendSize = 0.3

/** Rounds in which vertices move toward their neighbors. */
const rounds = 6

/**
 * Lays a graph out in layers: each card is in a later layer than its dependencies. Takes time in proportion to its edges: a few
 * milliseconds for 200 nodes.
 */
export const layoutGraph = (
  { edges, ids }: GraphToLayOut,
  { direction, height, layerGap, nodeGap, width }: LayoutOptions
): GraphLayout => {
  const indexOf = new Map(ids.map((id, index) => [id, index]))
  const known = edges.flatMap(({ from, to }) => {
    const start = indexOf.get(from)
    const end = indexOf.get(to)
    return start === undefined || end === undefined || start === end ? [] : [{ from: start, to: end }]
  })
  const isHorizontal = direction === "horizontal"
  const depth = isHorizontal ? width : height
  const breadth = isHorizontal ? height : width
  const { chains, layerOf, links } = divideIntoLayers(ids.length, known)
  const adjacency = toAdjacency(layerOf.length, links)
  const layers = orderLayers(layerOf, adjacency)
  const sizeOf = (vertex: number): number => (breadth + nodeGap) * (vertex < ids.length ? 1 : bendSize)
  const centers = placeInLayers(layers, sizeOf, adjacency.before, adjacency.after)
  const least = Math.min(...centers) - breadth / 2
  const pointAt = (along: number, across: number): Point =>
    isHorizontal ? { x: along, y: across } : { x: across, y: along }
  const startOf = (vertex: number): number => (layerOf[vertex] ?? 0) * (depth + layerGap)
  const acrossOf = (vertex: number): number => Math.round((centers[vertex] ?? 0) - least)
  const routes = chains.map((chain, index): GraphLayout["edges"][number] => {
    const { from, to } = known[index] as PlacedEdge
    const points = chain.flatMap((vertex, place) => {
      const start = startOf(vertex)
      const across = acrossOf(vertex)
      if (place === 0) return [pointAt(start + depth, across)]
      if (place === chain.length - 1) return [pointAt(start, across)]
      return [pointAt(start, across), pointAt(start + depth, across)]
    })
    return { from: ids[from] as string, to: ids[to] as string, points }
  })
  const places = new Map(ids.map((id, node) => [id, pointAt(startOf(node), acrossOf(node) - breadth / 2)]))
  const along = Math.max(0, layers.length * (depth + layerGap) - layerGap)
  const across = centers.length === 0 ? 0 : Math.round(Math.max(...centers) - least + breadth / 2)
  return {
    places,
    edges: routes,
    ...(isHorizontal ? { width: along, height: across } : { width: across, height: along })
  }
}

/** Returns the place of each vertex in its layer: near its neighbors, and apart from the vertices next to it. */
const placeInLayers = (
  layers: ReadonlyArray<ReadonlyArray<number>>,
  sizeOf: (vertex: number) => number,
  before: ReadonlyArray<ReadonlyArray<number>>,
  after: ReadonlyArray<ReadonlyArray<number>>
): ReadonlyArray<number> => {
  const centers: Array<number> = before.map(() => 0)
  const offsetsOf = layers.map((layer) => {
    let end = 0
    return layer.map((vertex) => {
      end += sizeOf(vertex)
      return end - sizeOf(vertex) / 2
    })
  })
  for (const [index, layer] of layers.entries()) {
    const offsets = offsetsOf[index] ?? []
    const middle = ((offsets[0] ?? 0) + (offsets.at(-1) ?? 0)) / 2
    for (const [place, vertex] of layer.entries()) centers[vertex] = (offsets[place] ?? 0) - middle
  }
  const settle = (index: number, neighbors: (vertex: number) => ReadonlyArray<number>): void => {
    const layer = layers[index] ?? []
    const offsets = offsetsOf[index] ?? []
    const wanted = layer.map((vertex, place) => {
      const near = neighbors(vertex)
      let sum = 0
      for (const each of near) sum += centers[each] ?? 0
      return (near.length === 0 ? (centers[vertex] ?? 0) : sum / near.length) - (offsets[place] ?? 0)
    })
    for (const [place, shift] of fitIncreasing(wanted).entries()) {
      const vertex = layer[place]
      if (vertex !== undefined) centers[vertex] = shift + (offsets[place] ?? 0)
    }
  }
  const both = (vertex: number): ReadonlyArray<number> => [...(before[vertex] ?? []), ...(after[vertex] ?? [])]
  for (let round = 0; round < rounds; round++) {
    const last = layers.length - 1
    for (let step = 0; step <= last; step++) {
      if (round === rounds - 1) settle(step, both)
      else if (round % 2 === 0) settle(last - step, (vertex) => after[vertex] ?? [])
      else settle(step, (vertex) => before[vertex] ?? [])
    }
  }
  return centers
}

/** Returns the numbers that never decrease and are nearest to the given ones, by the sum of squares. */
const fitIncreasing = (wanted: ReadonlyArray<number>): ReadonlyArray<number> => {
  const blocks: Array<{ sum: number; count: number }> = []
  for (const value of wanted) {
    let block = { sum: value, count: 1 }
    for (let last = blocks.at(-1); last !== undefined; last = blocks.at(-1)) {
      if (last.sum / last.count <= block.sum / block.count) break
      block = { sum: last.sum + block.sum, count: last.count + block.count }
      blocks.pop()
    }
    blocks.push(block)
  }
  return blocks.flatMap(({ count, sum }) => Array.from({ length: count }, () => sum / count))
}
