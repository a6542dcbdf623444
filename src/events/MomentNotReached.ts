import { Effect, Schema } from "effect"
import type { EventLog } from "./EventLog.ts"
import { awaitPosition } from "./replica.ts"

/** The log has not reached this position or time. */
export class MomentNotReached extends Schema.TaggedError<MomentNotReached>()("MomentNotReached", {
  asked: Schema.String,
  reached: Schema.String
}) {
  override get message(): string {
    return `There is no ${this.asked} yet: ${this.reached}.`
  }
}

/** The error for a position beyond the end of the log. */
export const positionNotReached = (position: number, head: number): MomentNotReached =>
  new MomentNotReached({ asked: `position ${position}`, reached: `the log ends at ${head}` })

/**
 * Returns the end of the log, or fails with `MomentNotReached` when it is before a position. Every read with a position
 * calls it first: otherwise a position from before a restore would silently hide all new events up to it. On a hot standby it
 * waits until the position is replayed, and then fails with `ReplicaBehind`.
 *
 * Correct on a primary: a caller that knows a position has seen it committed, and a head that is read later includes it.
 */
export const requireReached = Effect.fnUntraced(function* (log: EventLog["Service"], position: number) {
  const head = yield* awaitPosition(log, position)
  return position > head.position ? yield* positionNotReached(position, head.position) : head
})
