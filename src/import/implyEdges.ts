import type { CardId } from "../domain/CardId.ts"
import { findPath } from "../domain/DependencyGraph.ts"
import type { PlannedCard } from "./ImportPlan.ts"

/** What `implyEdges` added. */
export interface ImpliedEdges {
  readonly added: number
  /** Edges that were not added because they would have closed a circle. */
  readonly avoided: number
  /** How many were added to which card. */
  readonly by: ReadonlyMap<string, number>
}

/**
 * Adds to the planned cards the dependencies that follow from what is part of what: a card waits for its parts, and a
 * part waits for what the whole waits for (unless that is part of the same whole), as its tracker would not have it
 * begun before. One that would close a circle is not added: what the source states comes first.
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
    const wholes = ancestorsOf(id, parents)
    for (const whole of wholes) {
      for (const to of stated.get(whole) ?? []) {
        if (to !== id && !ancestorsOf(to, parents).has(whole)) add(id, to)
      }
    }
  }

  for (const [id, dependsOn] of edges) {
    const card = planned.get(id)
    if (card !== undefined) planned.set(id, { ...card, dependsOn: Array.from(dependsOn) })
  }
  return { added: [...by.values()].reduce((sum, count) => sum + count, 0), avoided, by }
}

/** What a card is a part of, and what that is a part of, and so on; each once, should they be parts of each other. */
const ancestorsOf = (id: string, parents: ReadonlyMap<string, string>): ReadonlySet<string> => {
  const found = new Set<string>()
  for (let parent = parents.get(id); parent !== undefined && !found.has(parent); parent = parents.get(parent)) {
    found.add(parent)
  }
  return found
}
