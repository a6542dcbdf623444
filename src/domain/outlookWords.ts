import type { ClaimOutlook } from "./ClaimOutlook.ts"
import type { ClaimChoice } from "./Command.ts"
import { quoted } from "./visibleText.ts"

/** Among which cards a claim found nothing, and why: the end of a sentence that begins with "nothing to claim". */
export const outlookWords = (outlook: ClaimOutlook, choice: ClaimChoice): string =>
  `${among(choice)}: ${because(outlook)}`

const among = ({ minPriority, phase }: ClaimChoice): string =>
  (phase === undefined ? "" : ` in phase ${quoted(phase)}`) +
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
