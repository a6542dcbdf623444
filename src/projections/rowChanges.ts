import type { Card } from "../domain/Card.ts"
import type { CardId } from "../domain/CardId.ts"
import { evolve, type StreamEvent } from "../domain/evolve.ts"

/** A change to a row of the read model: to a card, to an edge, or to a counter. */
export type RowChange =
  | {
      readonly _tag: "CardChanged"
      readonly card: Card
      /** Whether the title, body, phase, labels, priority or acceptance may have changed. */
      readonly content: boolean
      /** Whether the number of notes or the last note may have changed. */
      readonly noted: boolean
    }
  | { readonly _tag: "DependencyAdded"; readonly cardId: CardId; readonly dependsOnId: CardId }
  | { readonly _tag: "DependencyRemoved"; readonly cardId: CardId; readonly dependsOnId: CardId }
  | { readonly _tag: "UnmetDependenciesChanged"; readonly cardId: CardId; readonly unmetDependencies: number }

/** The facts on which the row changes of an event depend. */
export interface ReadModelFacts {
  readonly card: (id: CardId) => Card | undefined
  readonly isDone: (id: CardId) => boolean
  readonly unmetDependencies: (id: CardId) => number
  readonly dependentsOf: (id: CardId) => Iterable<CardId>
}

/** Events that may change the texts of a card. A redaction changes them from the event that it erases. */
const contentEvents: ReadonlySet<string> = new Set(["CardCreated", "CardRevised", "CardRedacted"])

/** Events that may change the last note. */
const noteEvents: ReadonlySet<string> = new Set(["CardNoted", "CardRedacted"])

/**
 * How an event changes the read model: the one definition, for commands and for replays. Pure and total: an event that cannot
 * follow the events before it changes nothing.
 */
export const rowChanges = (facts: ReadModelFacts, occurrence: StreamEvent): ReadonlyArray<RowChange> => {
  const { cardId, event } = occurrence
  const before = facts.card(cardId)
  const after = evolve(before, occurrence)
  if (after === undefined || after === before) return []
  const { _tag } = event
  const changes: Array<RowChange> = [
    { _tag: "CardChanged", card: after, content: contentEvents.has(_tag), noted: noteEvents.has(_tag) }
  ]
  if (event._tag === "CardCreated") {
    for (const dependsOnId of after.dependsOn) changes.push({ _tag: "DependencyAdded", cardId, dependsOnId })
    const unmetDependencies = after.dependsOn.filter((id) => !facts.isDone(id)).length
    changes.push({ _tag: "UnmetDependenciesChanged", cardId, unmetDependencies })
  } else if (event._tag === "CardLinked" || event._tag === "CardUnlinked") {
    const dependsOnId = event.dependsOn
    const isLinked = event._tag === "CardLinked"
    if (before?.dependsOn.includes(dependsOnId) !== isLinked) {
      changes.push({ _tag: isLinked ? "DependencyAdded" : "DependencyRemoved", cardId, dependsOnId })
      if (!facts.isDone(dependsOnId)) changes.push(unmetChanged(facts, cardId, isLinked ? 1 : -1))
    }
  }
  const wasDone = before?.status === "done"
  const isDone = after.status === "done"
  if (wasDone !== isDone) {
    for (const dependent of facts.dependentsOf(cardId)) changes.push(unmetChanged(facts, dependent, isDone ? -1 : 1))
  }
  return changes
}

const unmetChanged = (facts: ReadModelFacts, cardId: CardId, by: 1 | -1): RowChange => ({
  _tag: "UnmetDependenciesChanged",
  cardId,
  unmetDependencies: facts.unmetDependencies(cardId) + by
})
