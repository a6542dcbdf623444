import { Schema } from "effect"

/** How many problems the message names. */
const named = 5

/** An import that was to be strict has issues that would be left out. Nothing was written. */
export class ImportRefused extends Schema.TaggedError<ImportRefused>()("ImportRefused", {
  file: Schema.String,
  problems: Schema.Array(Schema.Struct({ line: Schema.Int, place: Schema.String, problem: Schema.String }))
}) {
  override get message(): string {
    const lines = this.problems.slice(0, named).map(({ place, problem }) => `${place}: ${problem}`)
    const more = this.problems.length - lines.length
    return [`Nothing was imported from ${this.file}:`, ...lines, ...(more > 0 ? [`and ${more} more`] : [])].join("\n  ")
  }
}
