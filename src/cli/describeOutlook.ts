import { dependencyList } from "./describeExplanation.ts"
import { oneLine } from "./terminalText.ts"
import { moment } from "./times.ts"
import { outlookReasonText } from "../domain/ClaimOutlook.ts"
import type { ClaimFilter, ClaimOutlook } from "../index.ts"

/** Why there is nothing to claim, and when that may change. */
export const describeOutlook = (outlook: ClaimOutlook, choice: ClaimFilter): string =>
  [`There is nothing to claim${outlookReasonText(outlook, choice)}.`, ...prospects(outlook)].join(" ")

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
