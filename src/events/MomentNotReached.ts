import { Effect, Schema } from "effect"
import type { EventLog } from "./EventLog.ts"
import { awaitPosition } from "./replica.ts"

/**
 * The end of the log, which must not be before a position: every read that names a position asks here first. Without
 * this check a position from before a restore would silently hide all events up to it. A hot standby waits for the
 * position and then fails with `ReplicaBehind`.
 *
 * Sound on a primary: a caller that knows a position has seen it committed, and a head that is read after that includes it.
 */
export const requireReached = Effect.fnUntraced(function* (log: EventLog["Service"], position: number) {
  const head = yield* awaitPosition(log, position)
  return position > head.position ? yield* positionNotReached(position, head.position) : head
})

/** A position or time that the log has not reached. */
export class MomentNotReached extends Schema.TaggedError<MomentNotReached>()("MomentNotReached", {
  asked: Schema.String,
  reached: Schema.String
}) {
  override get message(): string {
    return `There is no ${this.asked} yet: ${this.reached}.`
  }
}

/** A position beyond the end of the log. */
export const positionNotReached = (position: number, head: number): MomentNotReached =>
  new MomentNotReached({ asked: `position ${position}`, reached: `the log ends at ${head}` })
