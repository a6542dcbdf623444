import { Result } from "effect"
import type { BacklogView } from "./BacklogView.ts"
import type { CardId } from "./CardId.ts"
import type { NewCard } from "./Command.ts"
import type { Decision } from "./Decision.ts"
import { findCycle } from "./DependencyGraph.ts"
import type { DecidedEvent } from "./Event.ts"
import { sortedIds } from "./evolve.ts"
import { copyOf } from "./Json.ts"
import { CardAlreadyExists, DependencyCycle, SelfDependency } from "./Rejection.ts"

/** Creates cards, all or none, whatever their order: an edge may name a card that comes later, or never. */
export const create = (backlog: BacklogView, cards: ReadonlyArray<NewCard>): Decision => {
  const events: Array<DecidedEvent> = []
  const dependenciesOfNew = new Map<CardId, ReadonlyArray<CardId>>()
  const keysOfNew = new Set<string>()
  for (const card of cards) {
    const key = card.idempotencyKey ?? null
    if (key !== null && (keysOfNew.has(key) || backlog.cardWithKey(key) !== undefined)) continue
    if (backlog.card(card.id) !== undefined || dependenciesOfNew.has(card.id)) {
      return Result.fail(new CardAlreadyExists({ id: card.id }))
    }
    const dependsOn = sortedIds(card.dependsOn ?? [])
    if (dependsOn.includes(card.id)) return Result.fail(new SelfDependency({ id: card.id }))
    dependenciesOfNew.set(card.id, dependsOn)
    if (key !== null) keysOfNew.add(key)
    const status = card.status ?? "ready"
    events.push({
      cardId: card.id,
      event: {
        _tag: "CardCreated",
        title: card.title,
        body: card.body ?? null,
        phase: card.phase ?? null,
        // Also for -0, which no database keeps.
        priority: card.priority || 0,
        status,
        dependsOn,
        acceptance: copyOf(card.acceptance ?? null),
        idempotencyKey: key,
        blockedReason: status === "blocked" ? (card.blockedReason ?? null) : null
      }
    })
  }
  const cycle = findCycle(dependenciesOfNew.keys(), (id) => dependenciesOfNew.get(id) ?? backlog.dependenciesOf(id))
  if (cycle !== undefined) return Result.fail(cycleThroughNew(cycle, dependenciesOfNew))
  return Result.succeed(events)
}

/** Names a card of the cycle that was to be created: the caller can change that one. */
const cycleThroughNew = (cycle: ReadonlyArray<CardId>, created: ReadonlyMap<CardId, unknown>): DependencyCycle => {
  const steps = cycle.slice(0, -1)
  const at = Math.max(
    0,
    steps.findIndex((id) => created.has(id))
  )
  const path = [...steps.slice(at), ...steps.slice(0, at), steps[at]] as ReadonlyArray<CardId>
  return new DependencyCycle({ id: path[0] as CardId, dependsOn: path[1] as CardId, path })
}
