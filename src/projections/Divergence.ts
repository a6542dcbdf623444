import { Schema } from "effect"
import type { CardId } from "../domain/CardId.ts"
import { findCycle } from "../domain/DependencyGraph.ts"
import { beginningOf } from "../domain/displayText.ts"

/** The check that found a divergence. */
export const Check = Schema.Literals([
  /** Positions are 1, 2, 3 … */
  "position",
  /** A card's versions are 1, 2, 3 … */
  "version",
  /** Recording times never decrease, and all times are whole milliseconds. */
  "time",
  /** The row is a valid row of an event, and this program can read the event. */
  "decode",
  /** The content hash matches the row. */
  "content",
  /** Every missing part was erased by a redaction, and every redacted part is missing. */
  "redaction",
  /** The chain hash is the hash of the previous chain hash and the content hash. */
  "chain",
  /** The head row has the position, chain hash and time of the last event. */
  "head",
  /** The event can follow the events before it: no claim of a claimed card, no second completion. */
  "fold",
  /** The dependencies have no cycle. */
  "cycle",
  /** The rows of cards match the log. */
  "card",
  /** The rows of dependencies match the log. */
  "dependencies",
  /** The counters of unmet dependencies match the dependencies. */
  "unmetDependencies",
  /** The stored counts match the cards. */
  "counts",
  /** No card is before the place where claims begin. */
  "claimsFrom",
  /** The labels and words by which cards are found match the cards. */
  "search",
  /** The keyframes have the states to which the log leads. */
  "keyframes",
  /** The log up to the anchor is the anchored one. */
  "anchor"
])

/** A difference between the stored data and what the log or its rules require. */
export const Divergence = Schema.Struct({
  check: Check,
  /** The card with the difference; `null` if it concerns the log as a whole. */
  cardId: Schema.NullOr(Schema.String),
  position: Schema.NullOr(Schema.Finite),
  /** The column or part that differs; `null` if there is none. */
  field: Schema.NullOr(Schema.String),
  expected: Schema.String,
  found: Schema.String
})

/** A difference between the stored data and what the log or its rules require. */
export interface Divergence extends Schema.Schema.Type<typeof Divergence> {}

/** The result of a verification. */
export const VerifyReport = Schema.Struct({
  /** The position of the last event of the log. */
  position: Schema.Finite,
  chainHash: Schema.String,
  /** The number of events that were checked. */
  events: Schema.Int,
  cards: Schema.Int,
  dependencies: Schema.Int,
  /** The number of parts of events that redactions erased. */
  erasedParts: Schema.Int,
  /** The position of the anchor that was checked; `null` if none was given. */
  anchoredPosition: Schema.NullOr(Schema.Int),
  /** The number of divergences. 0 means that the log and the read model are consistent. */
  divergenceCount: Schema.Int,
  /** The first divergence of each card, and those of the log as a whole. At most 1,000. */
  divergences: Schema.Array(Divergence)
})

/** The result of a verification. */
export interface VerifyReport extends Schema.Schema.Type<typeof VerifyReport> {}

/** Maximum number of divergences in a report. */
const maxListed = 1_000

/** Collects divergences, only the first of each card. */
export class Divergences {
  readonly #cards = new Set<string>()
  readonly #checks = new Set<Divergence["check"]>()
  readonly list: Array<Divergence> = []
  count = 0

  add(divergence: Divergence): void {
    this.#checks.add(divergence.check)
    if (divergence.cardId !== null) {
      if (this.#cards.has(divergence.cardId)) return
      this.#cards.add(divergence.cardId)
    }
    this.count++
    if (this.list.length < maxListed) this.list.push(divergence)
  }

  /** Whether a check found a divergence, also one that is not listed. */
  hasFound(check: Divergence["check"]): boolean {
    return this.#checks.has(check)
  }

  hasCard(cardId: string): boolean {
    return this.#cards.has(cardId)
  }
}

/** A value as text for a report, truncated to 300 characters. */
export const formatValue = (value: unknown): string => {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "nothing")
  return text.length <= 300 ? text : `${beginningOf(text, 300)}… (${text.length} characters)`
}

/** Adds a divergence if the dependencies have a cycle. */
export const checkCycle = (dependsOn: ReadonlyMap<CardId, ReadonlyArray<CardId>>, divergences: Divergences): void => {
  const cycle = findCycle(dependsOn.keys(), (id) => dependsOn.get(id) ?? [])
  if (cycle === undefined) return
  divergences.add({
    check: "cycle",
    cardId: null,
    position: null,
    field: "dependsOn",
    expected: "no card that depends on itself",
    found: formatValue(cycle.join(" → "))
  })
}
