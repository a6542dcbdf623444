import { DateTime, Schema } from "effect"
import { outlookWords } from "../domain/outlookWords.ts"
import { type ClaimChoice, ClaimOutlook } from "../index.ts"
import { instant, lines } from "./words.ts"

const encodeOutlook = Schema.encodeSync(ClaimOutlook)

/** Why there is nothing to claim, for programs: what there is none of is left out. */
export const outlookData = (outlook: ClaimOutlook): Readonly<Record<string, unknown>> => {
  const comeBackAt = nextChange(outlook)
  return {
    ...Object.fromEntries(Object.entries(encodeOutlook(outlook)).filter(([, value]) => value !== null)),
    ...(comeBackAt === undefined ? {} : { comeBackAt: instant(comeBackAt) })
  }
}

/** Why there is nothing to claim, and when to come back. */
export const outlookText = (outlook: ClaimOutlook, choice: ClaimChoice): string => {
  const { counts, nearest, soonestExpiry, soonestRetry } = outlook
  return lines(
    `Nothing to claim${outlookWords(outlook, choice)}.`,
    soonestExpiry === null
      ? undefined
      : `${soonestExpiry.id} comes free at ${instant(soonestExpiry.expiresAt)}, if ${soonestExpiry.holder} does not renew.`,
    soonestRetry === null ? undefined : `${soonestRetry.id} may be tried again at ${instant(soonestRetry.notBefore)}.`,
    nearest === null
      ? undefined
      : `${nearest.id} waits for least: ${nearest.waitsFor.map(({ id, status }) => `${id} (${status ?? "does not exist"})`).join(", ")}${
          nearest.unmetDependencies > nearest.waitsFor.length ? " and more" : ""
        }.`,
    mayChange(outlook)
      ? `Call backlog_claim with waitSeconds to wait for a card.`
      : counts.blocked > 0 || counts.waiting > 0
        ? "Somebody must unblock or create cards before there is work."
        : "There is no more work here."
  )
}

/** Whether time alone, or those who work now, can bring a card up. */
const mayChange = ({ counts }: ClaimOutlook): boolean => counts.claimable + counts.claimed + counts.deferred > 0

const nextChange = ({ soonestExpiry, soonestRetry }: ClaimOutlook): DateTime.Utc | undefined => {
  const times = [soonestExpiry?.expiresAt, soonestRetry?.notBefore].filter((time) => time !== undefined)
  return times.toSorted((a, b) => DateTime.toEpochMillis(a) - DateTime.toEpochMillis(b))[0]
}
