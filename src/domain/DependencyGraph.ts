import type { CardId } from "./CardId.ts"

/** The known dependencies of a card. */
export type DependenciesOf = (id: CardId) => ReadonlyArray<CardId>

/**
 * Finds a path along dependencies from one of `starts` to `target`, both ends included. Returns `undefined` when there is
 * none. Searches depth first and visits every card once. Has its own stack, because a chain can be longer than the call stack.
 */
export const findPath = (
  starts: ReadonlyArray<CardId>,
  target: CardId,
  dependenciesOf: DependenciesOf
): ReadonlyArray<CardId> | undefined => {
  const cameFrom = new Map<CardId, CardId | undefined>()
  const stack: Array<CardId> = []
  for (const start of starts) {
    if (!cameFrom.has(start)) {
      cameFrom.set(start, undefined)
      stack.push(start)
    }
  }
  for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
    if (id === target) return pathTo(id, cameFrom)
    for (const dependency of dependenciesOf(id)) {
      if (!cameFrom.has(dependency)) {
        cameFrom.set(dependency, id)
        stack.push(dependency)
      }
    }
  }
  return undefined
}

const pathTo = (end: CardId, cameFrom: ReadonlyMap<CardId, CardId | undefined>): ReadonlyArray<CardId> => {
  const path: Array<CardId> = []
  for (let id: CardId | undefined = end; id !== undefined; id = cameFrom.get(id)) path.push(id)
  return path.reverse()
}

/**
 * Finds a cycle that can be reached from `starts`; its first card is repeated at the end. Returns `undefined` when there is
 * none. Searches depth first with three colors, in one pass over cards and edges, with its own stack. Adds the cards that lead
 * to no cycle to `finished`, and skips cards that are in it.
 */
export const findCycle = (
  starts: Iterable<CardId>,
  dependenciesOf: DependenciesOf,
  finished: Set<CardId> = new Set()
): ReadonlyArray<CardId> | undefined => {
  const depthOnPath = new Map<CardId, number>()
  for (const start of starts) {
    if (finished.has(start)) continue
    const path: Array<{ readonly id: CardId; readonly dependencies: ReadonlyArray<CardId>; next: number }> = []
    const enter = (id: CardId): void => {
      depthOnPath.set(id, path.length)
      path.push({ id, dependencies: dependenciesOf(id), next: 0 })
    }
    enter(start)
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const dependency = top.dependencies[top.next++]
      if (dependency === undefined) {
        finished.add(top.id)
        depthOnPath.delete(top.id)
        path.pop()
      } else if (depthOnPath.has(dependency)) {
        return [...path.slice(depthOnPath.get(dependency)).map((step) => step.id), dependency]
      } else if (!finished.has(dependency)) {
        enter(dependency)
      }
    }
  }
  return undefined
}
