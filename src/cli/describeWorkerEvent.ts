import { databaseErrorText } from "../sql/databaseErrors.ts"
import type { Card } from "../index.ts"
import type { WorkerEvent } from "../worker/index.ts"
import { oneLine } from "./terminalText.ts"
import { duration } from "./times.ts"

/** What happens while a worker works, in a line. */
export const describeWorkerEvent = (event: WorkerEvent): string => {
  if (event._tag === "Stopping") return "Ending: no more cards are begun with, and those at work may go on for a while."
  if (event._tag === "Unavailable") {
    return `The database cannot be asked, and is asked again in ${duration(event.retryAfterMillis / 1000)}: ${oneLine(databaseErrorText(event.error))}`
  }
  return `${oneLine(event.card.id)}  ${whatBecameOf(event)}`
}

const whatBecameOf = (event: Extract<WorkerEvent, { readonly card: Card }>): string => {
  switch (event._tag) {
    case "Claimed":
      return `claimed, attempt ${event.card.attempts}`
    case "Completed":
      return event.madeClaimable.length === 0
        ? "completed"
        : `completed, now claimable: ${event.madeClaimable.map(oneLine).join(", ")}`
    case "Failed":
      return `to be tried again in ${duration(event.retryAfterSeconds)}. ${oneLine(event.reason)}`
    case "Blocked":
      return `blocked. ${oneLine(event.reason)}`
    case "Lost":
      return `lost: ${oneLine(event.reason)}`
    case "Released":
      return `given back. ${oneLine(event.reason)}`
  }
}
