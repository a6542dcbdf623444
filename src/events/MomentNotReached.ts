import { Schema } from "effect"

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
