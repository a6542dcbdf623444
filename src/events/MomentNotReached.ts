import { Schema } from "effect"

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
