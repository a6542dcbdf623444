import { Schema } from "effect"

/** A file that would have been overwritten exists. It was left as it is. */
export class FileExists extends Schema.TaggedError<FileExists>()("FileExists", { file: Schema.String }) {
  override get message(): string {
    return `${JSON.stringify(this.file)} exists: give --force to replace it.`
  }
}

/** A file could not be written to its end. What was there before is there still. */
export class FileNotWritten extends Schema.TaggedError<FileNotWritten>()("FileNotWritten", {
  file: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `${JSON.stringify(this.file)} cannot be written: ${this.problem}`
  }
}
