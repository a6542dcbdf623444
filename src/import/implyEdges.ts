import { DateTime } from "effect"
import type { PlannedCard } from "./ImportPlan.ts"
import { quoteShortened } from "./fields.ts"

/** What the source says about parts, by card. */
export interface Parts {
  /** The whole of each part, where the whole waits for its parts. */
  readonly parents: ReadonlyMap<string, string>
  /** The wholes of each part, where a part waits for what its whole waits for, and the whole does not wait for its parts. */
  readonly wholes: ReadonlyMap<string, ReadonlySet<string>>
  /** The wholes that a card waits for, with their parts. */
  readonly gates: ReadonlyMap<string, ReadonlyMap<string, "all" | "any">>
  /** The time until which a card and its parts are deferred. */
  readonly deferred: ReadonlyMap<string, DateTime.Utc>
  /** Whether the source has an issue with this id that is neither done nor deleted. */
  readonly isOpen: (id: string) => boolean
}

/** The dependencies that `implyEdges` added. */
export interface ImpliedEdges {
  readonly added: number
  /** Edges that were not added, because they would close a cycle. */
  readonly avoided: number
  /** How many were added, by card. */
  readonly by: ReadonlyMap<string, number>
}

/**
 * Adds the dependencies that follow from parts. An edge that would close a cycle is not added: what the source states takes
 * precedence. There are two kinds of wholes:
 *
 * - A `parent` depends on its parts, and a part depends on what its parent depends on, unless that is a part of the same
 *   parent. The source's tracker would not start a part earlier.
 * - A part of a `whole` depends on everything open that the whole depends on, as in beads. If the whole waits for the part
 *   itself, beads offers neither: the part is blocked, with the reason. Parts of a deferred whole are deferred too.
 */
export const implyEdges = (planned: Map<string, PlannedCard>, parts: Parts): ImpliedEdges => {
  const graph = new Graph(planned)
  const blocked = new Map<string, string>()
  const deferred = new Map<string, DateTime.Utc>()
  addParents(graph, planned, parts.parents)
  addGates(graph, planned, parts, blocked)
  addWholes(graph, planned, parts, { blocked, deferred })
  for (const [id, dependsOn] of graph.edges) {
    const card = planned.get(id)
    if (card !== undefined) planned.set(id, { ...card, dependsOn: Array.from(dependsOn) })
  }
  for (const [id, until] of deferred) {
    const card = planned.get(id)
    if (card?.status !== "ready") continue
    planned.set(id, { ...card, notBefore: card.notBefore === undefined ? until : DateTime.max(card.notBefore, until) })
  }
  for (const [id, blockedReason] of blocked) {
    const card = planned.get(id)
    if (card?.status === "ready") planned.set(id, { ...card, status: "blocked", blockedReason })
  }
  return { added: [...graph.by.values()].reduce((sum, count) => sum + count, 0), avoided: graph.avoided, by: graph.by }
}

/** The dependencies of the planned cards, with those that are added. */
class Graph {
  /** The dependencies of the cards that got some. */
  readonly edges = new Map<string, Set<string>>()
  readonly by = new Map<string, number>()
  avoided = 0
  readonly #planned: ReadonlyMap<string, PlannedCard>
  /** Everything that the target of the last added edge waits for, itself included. */
  #reached: ReadonlySet<string> = new Set()
  #target: string | undefined

  constructor(planned: ReadonlyMap<string, PlannedCard>) {
    this.#planned = planned
  }

  /** Adds an edge unless it closes a cycle. Returns whether the edge exists now. */
  add(from: string, to: string): boolean {
    const known = this.edges.get(from) ?? new Set(this.#edgesOf(from))
    if (known.has(to)) return true
    if (this.#reach(to).has(from)) {
      this.avoided++
      return false
    }
    known.add(to)
    this.edges.set(from, known)
    this.by.set(from, (this.by.get(from) ?? 0) + 1)
    return true
  }

  #edgesOf(id: string): Iterable<string> {
    return this.edges.get(id) ?? this.#planned.get(id)?.dependsOn ?? []
  }

  /**
   * Searched once for consecutive edges to the same card: an edge that was added begins outside of what its target reaches,
   * so it does not change that.
   */
  #reach(to: string): ReadonlySet<string> {
    if (this.#target === to) return this.#reached
    const reached = new Set([to])
    for (const id of reached) for (const next of this.#edgesOf(id)) reached.add(next)
    this.#target = to
    this.#reached = reached
    return reached
  }
}

const addParents = (
  graph: Graph,
  planned: ReadonlyMap<string, PlannedCard>,
  parents: ReadonlyMap<string, string>
): void => {
  const family = Array.from(parents).filter(([id, parent]) => planned.has(id) && planned.has(parent) && id !== parent)
  for (const [id, parent] of family) graph.add(parent, id)
  for (const [id] of family) {
    const ancestors = ancestorsOf(id, parents)
    for (const ancestor of ancestors) {
      for (const to of planned.get(ancestor)?.dependsOn ?? []) {
        if (to !== id && !ancestorsOf(to, parents).has(ancestor)) graph.add(id, to)
      }
    }
  }
}

/** Makes cards wait for wholes with their open parts. */
const addGates = (
  graph: Graph,
  planned: ReadonlyMap<string, PlannedCard>,
  { gates, isOpen, wholes }: Parts,
  blocked: Map<string, string>
): void => {
  if (gates.size === 0) return
  const partsOf = new Map<string, Array<string>>()
  for (const [id, of] of wholes) {
    for (const whole of of) {
      const parts = partsOf.get(whole) ?? []
      parts.push(id)
      partsOf.set(whole, parts)
    }
  }
  for (const [id, targets] of gates) {
    if (planned.get(id)?.status === "done") continue
    for (const [whole, gate] of targets) {
      const parts = partsOf.get(whole) ?? []
      if (gate === "any" && parts.some((part) => planned.get(part)?.status === "done")) continue
      for (const part of parts) {
        if (!isOpen(part) || graph.add(id, part)) continue
        blocked.set(id, `It waits for ${quoteShortened(part)} in the source, which waits for it.`)
      }
      if (isOpen(whole)) graph.add(id, whole)
    }
  }
}

/** Makes the open parts of open wholes wait with them. */
const addWholes = (
  graph: Graph,
  planned: ReadonlyMap<string, PlannedCard>,
  parts: Parts,
  { blocked, deferred }: { readonly blocked: Map<string, string>; readonly deferred: Map<string, DateTime.Utc> }
): void => {
  const { isOpen, wholes } = parts
  // What the wholes wait for, before any of it is passed on to their parts.
  const waitsFor = new Map<string, ReadonlyArray<string>>()
  const openDependenciesOf = (whole: string): ReadonlyArray<string> => {
    const known =
      waitsFor.get(whole) ?? Array.from(graph.edges.get(whole) ?? planned.get(whole)?.dependsOn ?? []).filter(isOpen)
    waitsFor.set(whole, known)
    return known
  }
  /** For each card that a whole waits for, the parts that wait for it too, with the whole. */
  const waiting = new Map<string, Map<string, string>>()
  for (const id of wholes.keys()) {
    if (!isOpen(id) || !planned.has(id)) continue
    for (const whole of openWholesOf(id, wholes, isOpen)) {
      const until = parts.deferred.get(whole)
      const known = deferred.get(id)
      if (until !== undefined) deferred.set(id, known === undefined ? until : DateTime.max(known, until))
      for (const to of openDependenciesOf(whole)) {
        const waitingFor = waiting.get(to) ?? new Map<string, string>()
        waitingFor.set(id, whole)
        waiting.set(to, waitingFor)
      }
    }
  }
  for (const [to, waitingFor] of waiting) {
    for (const [id, whole] of waitingFor) {
      if (graph.add(id, to)) continue
      blocked.set(id, `${describeWhole(whole)} waits for it in the source, which offered neither.`)
    }
  }
}

const describeWhole = (whole: string): string => `${quoteShortened(whole)}, of which it is a part,`

/** The open wholes of which a card is a part, and their open wholes. Ends when cards are parts of each other. */
const openWholesOf = (id: string, wholes: Parts["wholes"], isOpen: Parts["isOpen"]): ReadonlySet<string> => {
  const found = new Set<string>()
  const visit = (part: string): void => {
    for (const whole of wholes.get(part) ?? []) if (whole !== id && isOpen(whole)) found.add(whole)
  }
  visit(id)
  for (const whole of found) visit(whole)
  return found
}

/** The parent of a card, its parent, and so on. Ends when cards are parts of each other. */
const ancestorsOf = (id: string, parents: ReadonlyMap<string, string>): ReadonlySet<string> => {
  const found = new Set<string>()
  for (let parent = parents.get(id); parent !== undefined && !found.has(parent); parent = parents.get(parent)) {
    found.add(parent)
  }
  return found
}
