import { Data } from "effect"

/** The answer was printed, and what it says makes the program end with another code than 0. */
export class EndsWith extends Data.TaggedError("EndsWith")<{ readonly exitCode: number }> {}
