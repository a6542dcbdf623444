import type { PlacedEdge } from "./layers.ts"

/** Adjacent vertices in the layers before and after. */
export interface Adjacency {
  readonly before: ReadonlyArray<ReadonlyArray<number>>
  readonly after: ReadonlyArray<ReadonlyArray<number>>
}

/** Returns which vertices the links connect. */
export const toAdjacency = (count: number, links: ReadonlyArray<PlacedEdge>): Adjacency => {
  const before: Array<Array<number>> = Array.from({ length: count }, () => [])
  const after: Array<Array<number>> = Array.from({ length: count }, () => [])
  for (const { from, to } of links) {
    after[from]?.push(to)
    before[to]?.push(from)
  }
  return { before, after }
}

/** Sweeps through the layers, back and forth, until one does not help, at most this often. */
const maxSweeps = 8

/**
 * Orders the vertices of each layer so that few edges cross: each goes to the barycenter of its neighbors in the layer before,
 * and in the next sweep in the layer after. Returns the best order that was found.
 */
export const orderLayers = (
  layerOf: ReadonlyArray<number>,
  { after, before }: Adjacency
): ReadonlyArray<ReadonlyArray<number>> => {
  const layers: Array<Array<number>> = Array.from({ length: Math.max(-1, ...layerOf) + 1 }, () => [])
  for (const [vertex, layer] of layerOf.entries()) layers[layer]?.push(vertex)
  let best = layers
  let fewest = countCrossings(layers, after)
  let current = layers
  for (let sweep = 0, misses = 0; sweep < maxSweeps && misses < 4 && fewest > 0; sweep++) {
    // Vertices with the same barycenter change places in every other sweep of a direction, which leaves local optima.
    const isSwapping = sweep % 4 === 1 || sweep % 4 === 2
    current =
      sweep % 2 === 0
        ? sortLayers(current, before, isSwapping)
        : sortLayers(current.toReversed(), after, isSwapping).reverse()
    const crossings = countCrossings(current, after)
    misses = crossings < fewest ? 0 : misses + 1
    if (crossings < fewest) {
      fewest = crossings
      best = current
    }
  }
  return best
}

/** Sorts each layer by the barycenters of its vertices in the layer that is sorted before it. */
const sortLayers = (
  layers: ReadonlyArray<ReadonlyArray<number>>,
  neighbors: ReadonlyArray<ReadonlyArray<number>>,
  isSwapping: boolean
): Array<Array<number>> => {
  const places: Array<number> = neighbors.map(() => 0)
  const centers: Array<number> = neighbors.map(() => 0)
  return layers.map((layer, index) => {
    for (const [place, vertex] of layer.entries()) {
      const near = neighbors[vertex] ?? []
      let sum = 0
      for (const each of near) sum += places[each] ?? 0
      // A vertex without neighbors keeps its place.
      centers[vertex] = near.length === 0 || index === 0 ? place : sum / near.length
    }
    const sorted = (isSwapping && index > 0 ? layer.toReversed() : [...layer]).sort(
      (left, right) => (centers[left] ?? 0) - (centers[right] ?? 0)
    )
    for (const [place, vertex] of sorted.entries()) places[vertex] = place
    return sorted
  })
}

/** Counts the crossings of edges between neighboring layers, in time n log n. */
export const countCrossings = (
  layers: ReadonlyArray<ReadonlyArray<number>>,
  after: ReadonlyArray<ReadonlyArray<number>>
): number => {
  const places: Array<number> = after.map(() => 0)
  for (const layer of layers) for (const [place, vertex] of layer.entries()) places[vertex] = place
  let crossings = 0
  for (const [index, layer] of layers.entries()) {
    const size = layers[index + 1]?.length ?? 0
    // A Fenwick tree of the ends of the edges so far.
    const tree = new Int32Array(size + 1)
    let total = 0
    for (const vertex of layer) {
      const ends = (after[vertex] ?? []).map((each) => places[each] ?? 0)
      for (const end of ends) {
        let upTo = 0
        for (let at = end + 1; at > 0; at -= at & -at) upTo += tree[at] ?? 0
        crossings += total - upTo
      }
      for (const end of ends) {
        total++
        for (let at = end + 1; at <= size; at += at & -at) tree[at] = (tree[at] ?? 0) + 1
      }
    }
  }
  return crossings
}
