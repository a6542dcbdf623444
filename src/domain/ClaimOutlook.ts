import { Schema } from "effect"
import { CardId } from "./CardId.ts"
import type { ClaimFilter } from "./Command.ts"
import { UnmetDependency } from "./Explanation.ts"
import { Name } from "./Text.ts"
import { quote } from "./displayText.ts"

/** Among which cards a claim found nothing, and why: the end of a sentence that begins with "nothing to claim". */
export const outlookReasonText = (outlook: ClaimOutlook, choice: ClaimFilter): string =>
  `${among(choice)}: ${because(outlook)}`

const among = ({ minPriority, phase }: ClaimFilter): string =>
  (phase === undefined ? "" : ` in phase ${quote(phase)}`) +
  (minPriority === undefined ? "" : ` of priority ${minPriority} or more`)

const because = ({ counts, reason }: ClaimOutlook): string => {
  switch (reason) {
    case "Empty":
      return "the backlog is empty"
    case "Done":
      return "every card is done"
    case "NoneChosen":
      return "there is no such card, or it is done"
    default: {
      const listed = [
        [counts.waiting, "waiting for other cards"],
        [counts.deferred, "not to be tried again yet"],
        [counts.claimable, "being taken just now"],
        [counts.claimed, "claimed"],
        [counts.blocked, "blocked"]
      ] as const
      return listed.flatMap(([count, what]) => (count > 0 ? `${count} ${what}` : [])).join(", ")
    }
  }
}

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/**
 * How the cards that are not done stand to a claim, each counted once: `claimable` (also those whose claim has run out);
 * `claimed`; `deferred`, not to be tried again yet; `waiting` for other cards; `blocked`.
 */
export const OpenCounts = Schema.Struct({
  claimable: Count,
  claimed: Count,
  deferred: Count,
  waiting: Count,
  blocked: Count
})

/** How the cards that are not done stand to a claim, each counted once. */
export interface OpenCounts extends Schema.Schema.Type<typeof OpenCounts> {}

/** Dependencies of the nearest card that are named, at most. */
export const maxListedDependencies = 10

/** What is known of the cards that a claim chooses among, when there is none to take. */
const facts = {
  counts: OpenCounts,
  /** The claim that runs out first, of cards that can be claimed then. */
  soonestExpiry: Schema.NullOr(Schema.Struct({ id: CardId, holder: Name, expiresAt: Schema.DateTimeUtcFromString })),
  /** The card that is to be tried again first. */
  soonestRetry: Schema.NullOr(Schema.Struct({ id: CardId, notBefore: Schema.DateTimeUtcFromString })),
  /**
   * The waiting card with the fewest dependencies that are not done, of several the best: how many they are, and the first
   * 10 of them by id.
   */
  nearest: Schema.NullOr(
    Schema.Struct({ id: CardId, unmetDependencies: Count, waitsFor: Schema.Array(UnmetDependency) })
  )
}

/** What is known of the cards that a claim chooses among. */
export interface ClaimFacts extends Schema.Struct.Type<typeof facts> {}

/**
 * Why a claim finds nothing, the first of these that holds:
 *
 * - `Claimable`: there is something to take; it has come up just now, or somebody else is about to take it;
 * - `Empty`: the backlog has no cards;
 * - `Done`: every card of the backlog is done;
 * - `NoneChosen`: some are not done, but none of them is in that phase and of that priority;
 * - `Claimed`: what could be worked on is claimed;
 * - `Deferred`: what could be worked on is to be tried again later;
 * - `Waiting`: what is not blocked waits for other cards, that are blocked, do not exist, or that the claim did not choose
 *   among;
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
export const ClaimOutlook = Schema.Struct({ reason: NothingReason, ...facts })

/** Why a claim finds nothing, and when that may change. */
export interface ClaimOutlook extends Schema.Schema.Type<typeof ClaimOutlook> {}

/** Whether the backlog has cards, and whether it has any that are not done, chosen among or not. */
export interface BacklogContents {
  readonly hasCards: boolean
  readonly hasOpenCards: boolean
}

/** Says why a claim among these cards finds nothing. */
export const claimOutlook = (found: ClaimFacts, contents: BacklogContents): ClaimOutlook => ({
  reason: reasonOf(found.counts, contents),
  ...found
})

const reasonOf = (counts: OpenCounts, { hasCards, hasOpenCards }: BacklogContents): NothingReason => {
  if (counts.claimable > 0) return "Claimable"
  if (!hasCards) return "Empty"
  if (!hasOpenCards) return "Done"
  if (counts.claimed > 0) return "Claimed"
  if (counts.deferred > 0) return "Deferred"
  if (counts.waiting > 0) return "Waiting"
  return counts.blocked > 0 ? "Blocked" : "NoneChosen"
}
