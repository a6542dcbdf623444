import { Effect } from "effect"
import type { EventLog } from "./EventLog.ts"
import { positionNotReached } from "./MomentNotReached.ts"

/**
 * The end of the log, which must not be before a position: every read that names a position asks here first. Without
 * this check a position from before a restore would silently hide all events up to it.
 *
 * Sound on a primary: whoever knows a position has seen it committed, and a head that is read after that includes it.
 */
export const reachedHead = Effect.fnUntraced(function* (log: EventLog["Service"], position: number) {
  const head = yield* log.head("read")
  return position > head.position ? yield* positionNotReached(position, head.position) : head
})
