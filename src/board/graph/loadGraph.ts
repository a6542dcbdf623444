import { ApiFailure, getJson } from "../api/request.ts"
import type { Card, Neighbourhood } from "../api/types.ts"
import {
  type CardGraph,
  cardsWithUnknownDependencies,
  joinNeighbourhoods,
  maxNodes,
  type NeighbourhoodPart
} from "./cardGraph.ts"

/** Which part of the graph is shown, and of which moment. */
export interface GraphQuestion {
  /** The card in the middle. */
  readonly root: string
  /** How many edges away from it, 1 or 2. */
  readonly hops: number
  /** Maximum number of cards around it. */
  readonly limit: number
  /** Cards of which all neighbors are shown, as far as there is room. */
  readonly expanded: ReadonlyArray<string>
  /** The position of the past moment; `undefined` for now. */
  readonly at: number | undefined
}

/** Up to this many cards are read to find which of them depend on cards that do not exist. */
const maxCardsRead = 20

/** Reads the part of the graph around a card. */
export const loadGraph = async (
  { at, expanded, hops, limit, root }: GraphQuestion,
  ended: AbortSignal
): Promise<CardGraph> => {
  const read = async (id: string, query: { hops: number; limit: number }): Promise<NeighbourhoodPart> => {
    const path = at === undefined ? "neighbourhood" : "backlog-at/neighbourhood"
    const neighbourhood = await getJson<Neighbourhood>(path, { id, position: at, ...query }, ended)
    return { neighbourhood, missingEdges: await loadMissingEdges(neighbourhood, at, ended) }
  }
  const parts = await Promise.all([
    read(root, { hops, limit }),
    ...expanded.map((id) => read(id, { hops: 1, limit: maxNodes }).catch(ignoreMissingCard))
  ])
  return joinNeighbourhoods(parts.filter((part) => part !== undefined))
}

/** An expanded card can be one that does not exist at another moment. */
const ignoreMissingCard = (cause: unknown): undefined => {
  if (!(cause instanceof ApiFailure) || cause.kind !== "notFound") throw cause
}

const loadMissingEdges = async (
  neighbourhood: Neighbourhood,
  at: number | undefined,
  ended: AbortSignal
): Promise<NeighbourhoodPart["missingEdges"]> => {
  if (neighbourhood.missing.length === 0) return []
  const missing = new Set(neighbourhood.missing)
  const candidates = cardsWithUnknownDependencies(neighbourhood).slice(0, maxCardsRead)
  const cards = await Promise.all(
    candidates.map((id) => getJson<Card>(at === undefined ? "get" : "card-at", { id, position: at }, ended))
  )
  return cards.flatMap(({ dependsOn, id }) =>
    dependsOn.filter((each) => missing.has(each)).map((each) => ({ from: each, to: id }))
  )
}
