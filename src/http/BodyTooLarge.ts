import { Schema } from "effect"

/** The body of a request is larger than the endpoint takes. Nothing was done. */
export class BodyTooLarge extends Schema.TaggedError<BodyTooLarge>()("BodyTooLarge", {
  /** How many bytes the endpoint takes. */
  limitBytes: Schema.Int
}) {
  override get message(): string {
    return `The body is too large: this endpoint takes at most ${this.limitBytes} bytes.`
  }
}
