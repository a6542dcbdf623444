import { Schema } from "effect"

/** Input that is not what a command takes. Nothing was asked of the database. */
export class InvalidInput extends Schema.TaggedError<InvalidInput>()("InvalidInput", {
  /** What was wrong and where, in words. */
  problem: Schema.String
}) {
  override get message(): string {
    return `Invalid input: ${this.problem}`
  }
}
