import { Data } from "effect"

/** A source of an import is not what its format says, so that nothing of it can be read. */
export class SourceUnreadable extends Data.TaggedError("SourceUnreadable")<{ readonly problem: string }> {
  override get message(): string {
    return this.problem
  }
}
