import { DateTime, Schema } from "effect"
import { outlookReasonText } from "../domain/ClaimOutlook.ts"
import { type ClaimFilter, ClaimOutlook } from "../index.ts"
import { awaited } from "./obstacles.ts"
import { instant, lines, moment, sentence, type Words, words } from "./words.ts"

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
export const outlookText = (outlook: ClaimOutlook, choice: ClaimFilter): Words => {
  const { counts, nearest, soonestExpiry, soonestRetry } = outlook
  return lines(
    sentence(`Nothing to claim${outlookReasonText(outlook, choice)}.`),
    soonestExpiry === null
      ? undefined
      : words`${soonestExpiry.id} comes free at ${moment(soonestExpiry.expiresAt)}, if ${soonestExpiry.holder} does not renew.`,
    soonestRetry === null
      ? undefined
      : words`${soonestRetry.id} may be tried again at ${moment(soonestRetry.notBefore)}.`,
    nearest === null
      ? undefined
      : nearest.unmetDependencies > nearest.waitsFor.length
        ? words`${nearest.id} waits for least: ${awaited(nearest.waitsFor)} and more.`
        : words`${nearest.id} waits for least: ${awaited(nearest.waitsFor)}.`,
    mayChange(outlook)
      ? words`Call backlog_claim with waitSeconds to wait for a card.`
      : counts.blocked > 0 || counts.waiting > 0
        ? words`There is no work until cards are unblocked or created.`
        : words`There is no more work here.`
  )
}

/** Whether time alone, or those who work now, can bring a card up. */
const mayChange = ({ counts }: ClaimOutlook): boolean => counts.claimable + counts.claimed + counts.deferred > 0

const nextChange = ({ soonestExpiry, soonestRetry }: ClaimOutlook): DateTime.Utc | undefined => {
  const times = [soonestExpiry?.expiresAt, soonestRetry?.notBefore].filter((time) => time !== undefined)
  return times.toSorted((a, b) => DateTime.toEpochMillis(a) - DateTime.toEpochMillis(b))[0]
}
