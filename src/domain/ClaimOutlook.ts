import { Schema } from "effect"
import { CardId } from "./CardId.ts"
import type { ClaimFilter } from "./Command.ts"
import { quote } from "./displayText.ts"
import { UnmetDependency } from "./Explanation.ts"
import { Name } from "./Text.ts"

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/**
 * The number of cards that are not done, by how claims treat them. Each card is counted once:
 *
 * - `claimable`, which includes cards whose claim has expired;
 * - `claimed`;
 * - `deferred`: the retry time has not passed;
 * - `waiting`: a dependency is not done;
 * - `blocked`.
 */
export const OpenCounts = Schema.Struct({
  claimable: Count,
  claimed: Count,
  deferred: Count,
  waiting: Count,
  blocked: Count
})

/** The number of cards that are not done, by how claims treat them. */
export interface OpenCounts extends Schema.Schema.Type<typeof OpenCounts> {}

/** Maximum number of dependencies listed for the nearest card. */
export const maxListedDependencies = 10

/** Facts about the cards that match a claim's filter, loaded when no card is claimable. */
const claimFacts = {
  counts: OpenCounts,
  /** The claim that expires first, of the cards that are claimable after that. */
  soonestExpiry: Schema.NullOr(Schema.Struct({ id: CardId, holder: Name, expiresAt: Schema.DateTimeUtcFromString })),
  /** The deferred card with the earliest retry time. */
  soonestRetry: Schema.NullOr(Schema.Struct({ id: CardId, notBefore: Schema.DateTimeUtcFromString })),
  /**
   * The waiting card with the fewest unmet dependencies; of several, the first in the claim order. `waitsFor` lists the
   * first 10 of these dependencies by id.
   */
  nearest: Schema.NullOr(
    Schema.Struct({ id: CardId, unmetDependencies: Count, waitsFor: Schema.Array(UnmetDependency) })
  )
}

/**
 * Why a claim finds nothing. The first of these that is true:
 *
 * - `Claimable`: a card is claimable; it became so after the claim, or another claim has locked it;
 * - `Empty`: the backlog has no cards;
 * - `Done`: every card of the backlog is done;
 * - `NoneChosen`: cards are open, but none of them matches the filter;
 * - `Claimed`: the cards that could be claimed are claimed;
 * - `Deferred`: the cards that could be claimed wait for their retry time;
 * - `Waiting`: the cards that are not blocked wait for dependencies, which are blocked, do not exist, or do not match the
 *   filter;
 * - `Blocked`: every card is blocked.
 */
export const NothingReason = Schema.Literals([
  "Claimable",
  "Empty",
  "Done",
  "NoneChosen",
  "Claimed",
  "Deferred",
  "Waiting",
  "Blocked"
])

/** Why a claim finds nothing. */
export type NothingReason = typeof NothingReason.Type

/** Why a claim finds nothing, and when that may change. */
export const ClaimOutlook = Schema.Struct({ reason: NothingReason, ...claimFacts })

/** Why a claim finds nothing, and when that may change. */
export interface ClaimOutlook extends Schema.Schema.Type<typeof ClaimOutlook> {}

/** Facts about the cards that match a claim's filter. */
export type ClaimFacts = Omit<ClaimOutlook, "reason">

/** Whether the whole backlog has cards, and whether it has cards that are not done. Ignores the filter. */
export interface BacklogContents {
  readonly hasCards: boolean
  readonly hasOpenCards: boolean
}

/** Computes why a claim finds nothing. */
export const claimOutlook = (facts: ClaimFacts, contents: BacklogContents): ClaimOutlook => ({
  reason: findReason(facts.counts, contents),
  ...facts
})

const findReason = (counts: OpenCounts, { hasCards, hasOpenCards }: BacklogContents): NothingReason => {
  if (counts.claimable > 0) return "Claimable"
  if (!hasCards) return "Empty"
  if (!hasOpenCards) return "Done"
  if (counts.claimed > 0) return "Claimed"
  if (counts.deferred > 0) return "Deferred"
  if (counts.waiting > 0) return "Waiting"
  return counts.blocked > 0 ? "Blocked" : "NoneChosen"
}

/** The end of a sentence that begins with "nothing to claim": the filter, a colon and the reason. */
export const outlookReasonText = (outlook: ClaimOutlook, filter: ClaimFilter): string =>
  `${filterText(filter)}: ${reasonText(outlook)}`

const filterText = ({ labels = [], minPriority, phase, withoutLabels = [] }: ClaimFilter): string =>
  (phase === undefined ? "" : ` in phase ${quote(phase)}`) +
  (minPriority === undefined ? "" : ` of priority ${minPriority} or more`) +
  (labels.length === 0 ? "" : ` with the ${labelsText(labels, "and")}`) +
  (withoutLabels.length === 0 ? "" : ` without the ${labelsText(withoutLabels, "or")}`)

const labelsText = (labels: ReadonlyArray<string>, conjunction: string): string => {
  const quoted = labels.map(quote)
  return quoted.length === 1
    ? `label ${quoted[0]}`
    : `labels ${quoted.slice(0, -1).join(", ")} ${conjunction} ${quoted.at(-1)}`
}

const reasonText = ({ counts, reason }: ClaimOutlook): string => {
  switch (reason) {
    case "Empty":
      return "the backlog is empty"
    case "Done":
      return "every card is done"
    case "NoneChosen":
      return "there is no such card, or it is done"
    default: {
      const kinds = [
        [counts.waiting, "waiting for other cards"],
        [counts.deferred, "deferred to a later time"],
        [counts.claimable, "claimable, but just taken by another claim"],
        [counts.claimed, "claimed"],
        [counts.blocked, "blocked"]
      ] as const
      return kinds.flatMap(([count, kind]) => (count > 0 ? `${count} ${kind}` : [])).join(", ")
    }
  }
}
