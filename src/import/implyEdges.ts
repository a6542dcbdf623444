import type { CardId } from "../domain/CardId.ts"
import { findPath } from "../domain/DependencyGraph.ts"
import type { PlannedCard } from "./ImportPlan.ts"

/** The dependencies that `implyEdges` added. */
export interface ImpliedEdges {
  readonly added: number
  /** Edges that were not added, because they would close a cycle. */
  readonly avoided: number
  /** How many were added, by card. */
  readonly by: ReadonlyMap<string, number>
}

/**
 * Adds the dependencies that follow from parts: a card depends on its parts, and a part depends on what its parent depends
 * on, unless that is a part of the same parent. The source's tracker would not start a part earlier. An edge that would
 * close a cycle is not added: what the source states takes precedence.
 */
export const implyEdges = (planned: Map<string, PlannedCard>, parents: ReadonlyMap<string, string>): ImpliedEdges => {
  const by = new Map<string, number>()
  let avoided = 0
  const edges = new Map<string, Set<string>>()
  const edgesOf = (id: string): ReadonlySet<string> | ReadonlyArray<string> =>
    edges.get(id) ?? planned.get(id)?.dependsOn ?? []
  const dependenciesOf = (id: CardId) => Array.from(edgesOf(id) as Iterable<CardId>)

  const add = (from: string, to: string): void => {
    const known = edges.get(from) ?? new Set(edgesOf(from))
    if (known.has(to)) return
    if (findPath([to as CardId], from as CardId, dependenciesOf) !== undefined) {
      avoided++
      return
    }
    known.add(to)
    edges.set(from, known)
    by.set(from, (by.get(from) ?? 0) + 1)
  }

  const family = Array.from(parents).filter(([id, parent]) => planned.has(id) && planned.has(parent) && id !== parent)
  const stated = new Map(family.map(([, parent]) => [parent, planned.get(parent)?.dependsOn ?? []]))
  for (const [id, parent] of family) add(parent, id)
  for (const [id] of family) {
    const ancestors = ancestorsOf(id, parents)
    for (const ancestor of ancestors) {
      for (const to of stated.get(ancestor) ?? []) {
        if (to !== id && !ancestorsOf(to, parents).has(ancestor)) add(id, to)
      }
    }
  }

  for (const [id, dependsOn] of edges) {
    const card = planned.get(id)
    if (card !== undefined) planned.set(id, { ...card, dependsOn: Array.from(dependsOn) })
  }
  return { added: [...by.values()].reduce((sum, count) => sum + count, 0), avoided, by }
}

/** The parent of a card, its parent, and so on. Ends when cards are parts of each other. */
const ancestorsOf = (id: string, parents: ReadonlyMap<string, string>): ReadonlySet<string> => {
  const found = new Set<string>()
  for (let parent = parents.get(id); parent !== undefined && !found.has(parent); parent = parents.get(parent)) {
    found.add(parent)
  }
  return found
}
