import { Schema } from "effect"

/**
 * The log has not reached this position or time.
 *
 * What to do: ask for an earlier moment. If a position was reached before, the log was restored since.
 */
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
