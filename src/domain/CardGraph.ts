import { Schema } from "effect"
import { Priority, Status } from "./Card.ts"
import { CardId } from "./CardId.ts"
import { Name, Title } from "./Text.ts"

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** A card in a graph, without its texts. */
export const GraphCard = Schema.Struct({
  id: CardId,
  title: Title,
  status: Status,
  phase: Schema.NullOr(Name),
  labels: Schema.Array(Name),
  priority: Priority,
  owner: Schema.NullOr(Name),
  /** The number of its dependencies that are not done or do not exist. */
  unmetDependencies: Count
})

/** A card in a graph, without its texts. */
export interface GraphCard extends Schema.Schema.Type<typeof GraphCard> {}

/** The card `from` depends on the card `to`. */
export const GraphEdge = Schema.Struct({ from: CardId, to: CardId })

/** The card `from` depends on the card `to`. */
export interface GraphEdge extends Schema.Schema.Type<typeof GraphEdge> {}

/** Maximum number of omitted dependencies, and of omitted dependents, that are counted. */
export const maxCountedNeighbors = 1_000

/**
 * The cards around a card. `cards` begins with that card and is ordered by distance, then by id. `edges` are all edges between
 * these cards. `omitted` lists the cards that have other neighbors, with the numbers of omitted dependencies and dependents,
 * each counted up to 1,000. `missing` lists dependencies that do not exist as cards.
 */
export const Neighbourhood = Schema.Struct({
  cards: Schema.Array(GraphCard),
  edges: Schema.Array(GraphEdge),
  omitted: Schema.Array(Schema.Struct({ id: CardId, dependencies: Count, dependents: Count })),
  missing: Schema.Array(CardId)
})

/** The cards around a card. */
export interface Neighbourhood extends Schema.Schema.Type<typeof Neighbourhood> {}

/** Maximum number of waiting cards that are counted. */
export const maxCountedWaiting = 10_000

/** Maximum number of cards that are listed as made claimable by a completion. */
export const maxListedClaimable = 100

/**
 * The effect of the completion of a card on other cards. `claimable` lists the cards that it would make claimable now, in claim order, at
 * most 100; `claimableCount` is their number. `waiting` is the number of open cards that wait for it, directly or through other
 * open cards, counted up to 10,000; `isComplete` is false if there are more.
 */
export const Impact = Schema.Struct({
  id: CardId,
  claimable: Schema.Array(CardId),
  claimableCount: Count,
  waiting: Count,
  isComplete: Schema.Boolean
})

/** The effect of the completion of a card on other cards. */
export interface Impact extends Schema.Schema.Type<typeof Impact> {}

/**
 * Returns a longest chain of cards in which each card depends on the one before it, given every card and its dependencies in
 * the graph. If there are several, returns the first by id. The time grows with the number of edges. The function has its own
 * stack, because a chain can be longer than the call stack. A card on a cycle, which only a damaged read model has, ends its
 * chain.
 */
export const longestChain = (dependenciesOf: ReadonlyMap<CardId, ReadonlyArray<CardId>>): ReadonlyArray<CardId> => {
  const lengths = new Map<CardId, number>()
  const before = new Map<CardId, CardId>()
  const entered = new Set<CardId>()
  let last: CardId | undefined
  for (const start of dependenciesOf.keys()) {
    const stack = [start]
    for (let id = stack.at(-1); id !== undefined; id = stack.at(-1)) {
      if (lengths.has(id)) {
        stack.pop()
        continue
      }
      const dependencies = dependenciesOf.get(id) ?? []
      const unknown = entered.has(id) ? [] : dependencies.filter((each) => !lengths.has(each) && !entered.has(each))
      entered.add(id)
      if (unknown.length > 0) {
        stack.push(...unknown)
        continue
      }
      stack.pop()
      let length = 1
      for (const dependency of dependencies) {
        const through = (lengths.get(dependency) ?? 0) + 1
        if (through > length && lengths.has(dependency)) {
          length = through
          before.set(id, dependency)
        }
      }
      lengths.set(id, length)
      if (last === undefined || length > (lengths.get(last) ?? 0)) last = id
    }
  }
  const chain: Array<CardId> = []
  for (let id = last; id !== undefined; id = before.get(id)) chain.push(id)
  return chain.reverse()
}
