import { Schema } from "effect"
import type { CardId } from "../domain/CardId.ts"
import { findCycle } from "../domain/DependencyGraph.ts"

/** What was checked when a divergence was found. */
export const Check = Schema.Literals([
  /** Positions are 1, 2, 3 … */
  "position",
  /** A card's versions are 1, 2, 3 … */
  "version",
  /** Recording times never go back, and all times are whole milliseconds. */
  "time",
  /** The row is what an event's row can be, and this program can read the event. */
  "decode",
  /** The content hash is that of the row. */
  "content",
  /** What is missing was erased by a redaction, and what was redacted is missing. */
  "redaction",
  /** The chain hash is that of everything before and this. */
  "chain",
  /** The head row says where the log ends. */
  "head",
  /** The event can follow those before it: no claim on a card that is held, no completion twice. */
  "fold",
  /** The dependencies have no cycle. */
  "cycle",
  /** The rows of cards are those that the log leads to. */
  "card",
  /** The rows of dependencies are those that the log leads to. */
  "dependencies",
  /** The counters of unmet dependencies are right. */
  "unmetDependencies",
  /** The cards of each kind are as many as is kept. */
  "counts",
  /** The log up to the anchor is the one that was anchored. */
  "anchor"
])

/** A difference between what is and what should be. */
export const Divergence = Schema.Struct({
  check: Check,
  /** The card that it is about, if it is about one. */
  cardId: Schema.NullOr(Schema.String),
  position: Schema.NullOr(Schema.Finite),
  /** The column or part that differs, where one does. */
  field: Schema.NullOr(Schema.String),
  expected: Schema.String,
  found: Schema.String
})

/** A difference between what is and what should be. */
export interface Divergence extends Schema.Schema.Type<typeof Divergence> {}

/** What a verification found. */
export const VerifyReport = Schema.Struct({
  /** Where the log ends. */
  position: Schema.Finite,
  chainHash: Schema.String,
  /** What was looked at. */
  events: Schema.Int,
  cards: Schema.Int,
  dependencies: Schema.Int,
  /** Parts of events that were erased, each by a redaction. */
  erasedParts: Schema.Int,
  /** The position of the anchor that was checked; null when none was given. */
  anchoredPosition: Schema.NullOr(Schema.Int),
  /** How many divergences there are: none means that all is as it should be. */
  divergenceCount: Schema.Int,
  /** The first of each card, and of the log as such; a thousand at most. */
  divergences: Schema.Array(Divergence)
})

/** What a verification found. */
export interface VerifyReport extends Schema.Schema.Type<typeof VerifyReport> {}

const mostListed = 1_000

/** Collects divergences: of each card only the first. */
export class Divergences {
  readonly #cards = new Set<string>()
  readonly list: Array<Divergence> = []
  count = 0

  add(divergence: Divergence): void {
    if (divergence.cardId !== null) {
      if (this.#cards.has(divergence.cardId)) return
      this.#cards.add(divergence.cardId)
    }
    this.count++
    if (this.list.length < mostListed) this.list.push(divergence)
  }

  hasCard(cardId: string): boolean {
    return this.#cards.has(cardId)
  }
}

/** A value as a report shows it, cut where it is long. */
export const formatValue = (value: unknown): string => {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "nothing")
  return text.length <= 300 ? text : `${text.slice(0, 300)}… (${text.length} characters)`
}

/** Notes a cycle of dependencies, if there is one. */
export const checkCycle = (dependsOn: ReadonlyMap<CardId, ReadonlyArray<CardId>>, divergences: Divergences): void => {
  const cycle = findCycle(dependsOn.keys(), (id) => dependsOn.get(id) ?? [])
  if (cycle === undefined) return
  divergences.add({
    check: "cycle",
    cardId: null,
    position: null,
    field: "dependsOn",
    expected: "no card that waits for itself",
    found: formatValue(cycle.join(" → "))
  })
}
