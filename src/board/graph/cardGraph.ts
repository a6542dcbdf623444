import type { Neighbourhood, Status } from "../api/types.ts"

/** A card in the graph. A dependency that does not exist as a card has only its id, and the status `null`. */
export interface GraphNode {
  readonly id: string
  readonly title: string | undefined
  readonly status: Status | null
  readonly unmetDependencies: number
  /** How many of its dependencies and dependents are not in the graph, counted up to 1,000 each. */
  readonly hiddenDependencies: number
  readonly hiddenDependents: number
}

/** An edge of the graph, in the order of the work: the card `to` depends on the card `from`. */
export interface WorkEdge {
  readonly from: string
  readonly to: string
}

/** Cards, and all edges between them. */
export interface CardGraph {
  readonly nodes: ReadonlyMap<string, GraphNode>
  readonly edges: ReadonlyArray<WorkEdge>
  /** Whether cards were left out because the graph has its maximum number of cards. */
  readonly isTruncated: boolean
}

/** What the drawing and the tree of a graph show. */
export interface GraphDisplay {
  readonly graph: CardGraph
  readonly label: string
  /** The card in the middle; `undefined` for a path. */
  readonly root: string | undefined
  /** The ids and the edges of the critical path. */
  readonly critical: ReadonlySet<string>
  readonly onShowHidden: (node: GraphNode) => void
}

/** Maximum number of cards in the graph. */
export const maxNodes = 200

/** The neighborhood of a card, with the edges of those dependencies that do not exist as cards. */
export interface NeighbourhoodPart {
  readonly neighbourhood: Neighbourhood
  readonly missingEdges: ReadonlyArray<WorkEdge>
}

/** Returns a text that only equal edges have. Ids contain no line breaks. */
export const edgeKey = ({ from, to }: WorkEdge): string => `${from}\n${to}`

/**
 * Joins the neighborhood of a card and those of the cards that the reader expanded, in this order, until the graph has its
 * maximum number of cards.
 */
export const joinNeighbourhoods = (parts: ReadonlyArray<NeighbourhoodPart>): CardGraph => {
  const cards = new Map<string, Neighbourhood["cards"][number] | undefined>()
  const edges = new Map<string, WorkEdge>()
  const totals = new Map<string, { dependencies: number; dependents: number }>()
  let isTruncated = false
  for (const { missingEdges, neighbourhood } of parts) {
    for (const card of [...neighbourhood.cards, ...neighbourhood.missing]) {
      const cardId = typeof card === "string" ? card : card.id
      if (!cards.has(cardId) && cards.size >= maxNodes) isTruncated = true
      else if (typeof card !== "string") cards.set(cardId, card)
      else if (!cards.has(cardId)) cards.set(cardId, undefined)
    }
    const own = neighbourhood.edges.map(({ from, to }): WorkEdge => ({ from: to, to: from }))
    for (const edge of own) edges.set(edgeKey(edge), edge)
    for (const [cardId, total] of countNeighbors(own, neighbourhood.omitted)) {
      const known = totals.get(cardId)
      totals.set(cardId, {
        dependencies: Math.max(known?.dependencies ?? 0, total.dependencies),
        dependents: Math.max(known?.dependents ?? 0, total.dependents)
      })
    }
    for (const edge of missingEdges) edges.set(edgeKey(edge), edge)
  }
  const shownEdges = [...edges.values()].filter(({ from, to }) => cards.has(from) && cards.has(to))
  const shown = countNeighbors(
    shownEdges.filter(({ from }) => cards.get(from) !== undefined),
    []
  )
  const nodes = [...cards].map(([id, card]): [string, GraphNode] => {
    const total = totals.get(id)
    const own = shown.get(id)
    return [
      id,
      {
        id,
        title: card?.title,
        status: card?.status ?? null,
        unmetDependencies: card?.unmetDependencies ?? 0,
        hiddenDependencies: Math.max(0, (total?.dependencies ?? 0) - (own?.dependencies ?? 0)),
        hiddenDependents: Math.max(0, (total?.dependents ?? 0) - (own?.dependents ?? 0))
      }
    ]
  })
  return { nodes: new Map(nodes), edges: shownEdges, isTruncated }
}

/** Returns the cards of a neighborhood that can have dependencies that do not exist: they have more unmet ones than it shows. */
export const cardsWithUnknownDependencies = ({ cards, edges }: Neighbourhood): ReadonlyArray<string> => {
  const open = new Set(cards.flatMap(({ id, status }) => (status === "done" ? [] : [id])))
  return cards.flatMap(({ id, unmetDependencies }) =>
    unmetDependencies > edges.filter(({ from, to }) => from === id && open.has(to)).length ? [id] : []
  )
}

/** Returns the critical path as a graph: each card depends on the one before. */
export const toPathGraph = (path: ReadonlyArray<Neighbourhood["cards"][number]>): CardGraph => ({
  nodes: new Map(
    path
      .slice(0, maxNodes)
      .map(({ id, status, title, unmetDependencies }) => [
        id,
        { id, title, status, unmetDependencies, hiddenDependencies: 0, hiddenDependents: 0 }
      ])
  ),
  edges: toPathEdges(path.slice(0, maxNodes).map(({ id }) => id)),
  isTruncated: path.length > maxNodes
})

/** Returns the edges of a chain of cards. */
export const toPathEdges = (ids: ReadonlyArray<string>): ReadonlyArray<WorkEdge> =>
  ids.slice(1).map((to, index) => ({ from: ids[index] as string, to }))

const countNeighbors = (
  edges: ReadonlyArray<WorkEdge>,
  omitted: Neighbourhood["omitted"]
): ReadonlyMap<string, { readonly dependencies: number; readonly dependents: number }> => {
  const counts = new Map(omitted.map(({ dependencies, dependents, id }) => [id, { dependencies, dependents }]))
  const countOf = (id: string): { dependencies: number; dependents: number } => {
    const known = counts.get(id) ?? { dependencies: 0, dependents: 0 }
    counts.set(id, known)
    return known
  }
  for (const { from, to } of edges) {
    countOf(to).dependencies++
    countOf(from).dependents++
  }
  return counts
}
