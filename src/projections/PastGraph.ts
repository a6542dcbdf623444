import { Effect, Option, Stream } from "effect"
import type { Status } from "../domain/Card.ts"
import {
  type GraphCard,
  type GraphEdge,
  type Impact,
  longestChain,
  maxCountedNeighbors,
  maxCountedWaiting,
  maxListedClaimable,
  type Neighbourhood
} from "../domain/CardGraph.ts"
import { type CardId, compareIds } from "../domain/CardId.ts"
import type { FoldedCard, ReadFailure } from "./foldCards.ts"
import type { ChainFilter, DependentsFilter, NeighbourhoodFilter } from "./graphQueries.ts"

/** The cards of a moment, by ordinal, and their edges. */
export interface PastCards {
  readonly count: number
  readonly idOf: (ordinal: number) => CardId
  readonly statusOf: (ordinal: number) => Status
  readonly phaseOf: (ordinal: number) => string | null
  readonly labelsOf: (ordinal: number) => ReadonlyArray<string>
  /** Whether a ready card may be claimed as soon as its dependencies are done. */
  readonly isDue: (ordinal: number) => boolean
  readonly compareClaimOrder: (left: number, right: number) => number
  /** The dependencies of a card: ordinals, or ids that no card has. */
  readonly dependenciesOf: (ordinal: number) => ReadonlyArray<number | CardId>
  /** Reads cards with their texts, in any order. */
  readonly read: (ids: ReadonlyArray<CardId>) => Stream.Stream<FoldedCard, ReadFailure>
}

const isOrdinal = (target: number | CardId): target is number => typeof target === "number"

/** The queries of `graphQueries.ts` at a moment of the past. Cards are given as ordinals. */
export class PastGraph {
  readonly #cards: PastCards
  /** The dependents of card n are the values from `starts[n]` up to `starts[n + 1]`. */
  #reverse: { readonly starts: Uint32Array; readonly dependents: Uint32Array } | undefined

  constructor(cards: PastCards) {
    this.#cards = cards
  }

  /** The dependents of a card, or of an id that no card has, in any order. */
  dependentsOf(target: number | CardId): ReadonlyArray<number> {
    if (isOrdinal(target)) return this.#dependentsOf(target)
    const { count, dependenciesOf } = this.#cards
    return Array.from({ length: count }, (_, ordinal) => ordinal).filter((ordinal) =>
      dependenciesOf(ordinal).includes(target)
    )
  }

  /** A page of the dependents of a card, by id. */
  dependents(
    found: ReadonlyArray<number>,
    { after, limit }: DependentsFilter
  ): Effect.Effect<ReadonlyArray<GraphCard>, ReadFailure> {
    const ids = this.#byId(found)
      .map((dependent) => [dependent, this.#cards.idOf(dependent)] as const)
      .filter(([, id]) => after === undefined || compareIds(id, after) > 0)
    return this.#read(ids.slice(0, limit).map(([dependent]) => dependent))
  }

  /** The cards around a card. */
  neighbourhood(center: number, { hops, limit }: NeighbourhoodFilter): Effect.Effect<Neighbourhood, ReadFailure> {
    const cards = this.#cards
    const included: Array<number> = [center]
    const known = new Set(included)
    let edge: ReadonlyArray<number> = included
    for (let hop = 1; hop <= hops && included.length < limit; hop++) {
      const reached = new Set<number>()
      for (const ordinal of edge) {
        const next = [
          ...cards.dependenciesOf(ordinal).slice(0, limit).filter(isOrdinal),
          ...this.#byId(this.#dependentsOf(ordinal)).slice(0, limit)
        ]
        for (const neighbor of next) if (!known.has(neighbor)) reached.add(neighbor)
      }
      edge = this.#byId([...reached])
      for (const ordinal of edge) known.add(ordinal)
      included.push(...edge.slice(0, limit - included.length))
    }
    const inside = new Set(included)
    const edges: Array<GraphEdge> = []
    const missing = new Set<CardId>()
    const omitted: Array<Neighbourhood["omitted"][number]> = []
    for (const ordinal of included) {
      const from = cards.idOf(ordinal)
      const targets = cards.dependenciesOf(ordinal)
      for (const target of targets) {
        if (!isOrdinal(target)) missing.add(target)
        else if (inside.has(target)) edges.push({ from, to: cards.idOf(target) })
      }
      const isOutside = (other: number | CardId): boolean => isOrdinal(other) && !inside.has(other)
      const dependencies = Math.min(targets.filter(isOutside).length, maxCountedNeighbors)
      const dependents = Math.min(this.#dependentsOf(ordinal).filter(isOutside).length, maxCountedNeighbors)
      if (dependencies > 0 || dependents > 0) omitted.push({ id: from, dependencies, dependents })
    }
    return Effect.map(this.#read(included), (read) => ({
      cards: read,
      edges: edges.sort((left, right) => compareIds(left.from, right.from) || compareIds(left.to, right.to)),
      omitted: omitted.sort((left, right) => compareIds(left.id, right.id)),
      missing: [...missing].sort(compareIds)
    }))
  }

  /** What depended on the completion of a card. */
  impact(ordinal: number): Impact {
    const cards = this.#cards
    const id = cards.idOf(ordinal)
    if (cards.statusOf(ordinal) === "done")
      return { id, claimable: [], claimableCount: 0, waiting: 0, isComplete: true }
    const isOpen = (other: number): boolean => cards.statusOf(other) !== "done"
    const freed = this.#dependentsOf(ordinal)
      .filter((other) => cards.statusOf(other) === "ready" && this.#unmet(other) === 1 && cards.isDue(other))
      .sort(cards.compareClaimOrder)
    const waiting = new Set<number>()
    const stack = [ordinal]
    for (let next = stack.pop(); next !== undefined && waiting.size <= maxCountedWaiting; next = stack.pop()) {
      for (const other of this.#dependentsOf(next)) {
        if (waiting.has(other) || !isOpen(other)) continue
        waiting.add(other)
        stack.push(other)
      }
    }
    return {
      id,
      claimable: freed.slice(0, maxListedClaimable).map((other) => cards.idOf(other)),
      claimableCount: freed.length,
      waiting: Math.min(waiting.size, maxCountedWaiting),
      isComplete: waiting.size <= maxCountedWaiting
    }
  }

  /** A longest chain of cards that were open, the first to be done at the beginning. */
  criticalPath({ label, phase }: ChainFilter): Effect.Effect<ReadonlyArray<GraphCard>, ReadFailure> {
    const cards = this.#cards
    const isChosen = (ordinal: number): boolean =>
      cards.statusOf(ordinal) !== "done" &&
      (phase === undefined || cards.phaseOf(ordinal) === phase) &&
      (label === undefined || cards.labelsOf(ordinal).includes(label))
    const edges: Array<readonly [from: CardId, to: ReadonlyArray<CardId>]> = []
    const ordinals = new Map<CardId, number>()
    let first: CardId | undefined
    for (let ordinal = 0; ordinal < cards.count; ordinal++) {
      if (!isChosen(ordinal)) continue
      const id = cards.idOf(ordinal)
      ordinals.set(id, ordinal)
      if (first === undefined || compareIds(id, first) < 0) first = id
      const targets = cards.dependenciesOf(ordinal).filter(isOrdinal).filter(isChosen)
      if (targets.length > 0) edges.push([id, targets.map((target) => cards.idOf(target)).sort(compareIds)])
    }
    // In the order of ids, so that of several longest chains the same is found as in the present.
    edges.sort(([left], [right]) => compareIds(left, right))
    const chain = edges.length > 0 ? longestChain(new Map(edges)) : first === undefined ? [] : [first]
    return this.#read(chain.flatMap((id) => ordinals.get(id) ?? []))
  }

  #dependentsOf(ordinal: number): Array<number> {
    const { dependents, starts } = (this.#reverse ??= reverseEdges(this.#cards))
    return Array.from(dependents.subarray(starts[ordinal], starts[ordinal + 1]))
  }

  #byId(ordinals: ReadonlyArray<number>): ReadonlyArray<number> {
    return ordinals
      .map((ordinal) => [ordinal, this.#cards.idOf(ordinal)] as const)
      .sort(([, left], [, right]) => compareIds(left, right))
      .map(([ordinal]) => ordinal)
  }

  #unmet(ordinal: number): number {
    const cards = this.#cards
    return cards.dependenciesOf(ordinal).filter((target) => !isOrdinal(target) || cards.statusOf(target) !== "done")
      .length
  }

  #read(ordinals: ReadonlyArray<number>): Effect.Effect<ReadonlyArray<GraphCard>, ReadFailure> {
    const ids = ordinals.map((ordinal) => this.#cards.idOf(ordinal))
    return Effect.map(ids.length === 0 ? Effect.succeed([]) : Stream.runCollect(this.#cards.read(ids)), (folded) => {
      const byId = new Map(folded.map(({ card }) => [card.id, card]))
      return ordinals.flatMap((ordinal, index) => {
        const card = Option.fromUndefinedOr(byId.get(ids[index] as CardId))
        return Option.isNone(card)
          ? []
          : [
              {
                id: card.value.id,
                title: card.value.title,
                status: card.value.status,
                phase: card.value.phase,
                labels: card.value.labels,
                priority: card.value.priority,
                owner: card.value.claimOwner,
                unmetDependencies: this.#unmet(ordinal)
              }
            ]
      })
    })
  }
}

/** Which cards depend on each, by counting sort. */
const reverseEdges = (cards: PastCards) => {
  const starts = new Uint32Array(cards.count + 1)
  const eachEdge = (use: (from: number, to: number) => void): void => {
    for (let ordinal = 0; ordinal < cards.count; ordinal++) {
      for (const target of cards.dependenciesOf(ordinal)) if (isOrdinal(target)) use(ordinal, target)
    }
  }
  eachEdge((_, to) => {
    starts[to + 1] = (starts[to + 1] ?? 0) + 1
  })
  for (let ordinal = 0; ordinal < cards.count; ordinal++) {
    starts[ordinal + 1] = (starts[ordinal + 1] ?? 0) + (starts[ordinal] ?? 0)
  }
  const places = starts.slice()
  const dependents = new Uint32Array(starts[cards.count] ?? 0)
  eachEdge((from, to) => {
    const place = places[to] ?? 0
    dependents[place] = from
    places[to] = place + 1
  })
  return { starts, dependents }
}
