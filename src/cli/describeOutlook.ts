import type { ClaimChoice, ClaimOutlook } from "../index.ts"
import { dependencyList } from "./describeExplanation.ts"
import { oneLine } from "./terminalText.ts"
import { moment } from "./times.ts"

/** Why there is nothing to claim, and when that may change. */
export const describeOutlook = (outlook: ClaimOutlook, choice: ClaimChoice): string =>
  [`There is nothing to claim${among(choice)}: ${because(outlook)}.`, ...prospects(outlook)].join(" ")

const among = ({ minimumPriority, phase }: ClaimChoice): string =>
  (phase === undefined ? "" : ` in phase ${JSON.stringify(phase)}`) +
  (minimumPriority === undefined ? "" : ` of priority ${minimumPriority} or more`)

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

const prospects = ({ nearest, soonestExpiry, soonestRetry }: ClaimOutlook): ReadonlyArray<string> => [
  ...(soonestExpiry === null
    ? []
    : [
        `${oneLine(soonestExpiry.id)} is free first, when the claim of ${oneLine(soonestExpiry.holder)} runs out at ${moment(soonestExpiry.expiresAt)}.`
      ]),
  ...(soonestRetry === null
    ? []
    : [`${oneLine(soonestRetry.id)} is to be tried again at ${moment(soonestRetry.notBefore)}.`]),
  ...(nearest === null
    ? []
    : [
        `${oneLine(nearest.id)} waits for least: ${dependencyList(nearest.waitsFor)}${
          nearest.unmetDependencies > nearest.waitsFor.length
            ? ` and ${nearest.unmetDependencies - nearest.waitsFor.length} more`
            : ""
        }.`
      ])
]
