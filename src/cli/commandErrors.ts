import { Schema } from "effect"
import { ClaimOutlook, Obstacle } from "../index.ts"

/** There is no card to take, or the one asked for cannot be taken now. */
export class NothingClaimable extends Schema.TaggedError<NothingClaimable>()("NothingClaimable", {
  /** The card that was asked for, `null` when any would have done. */
  id: Schema.NullOr(Schema.String),
  /** What stands between that card and a claim. */
  obstacles: Schema.Array(Obstacle),
  /** Why there was nothing among all that could have been taken; `null` when a card was named, or none knows any more. */
  outlook: Schema.NullOr(ClaimOutlook),
  message: Schema.String
}) {}

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

/** No consumer of this name has a checkpoint, nor a parked event. */
export class ConsumerNotFound extends Schema.TaggedError<ConsumerNotFound>()("ConsumerNotFound", {
  consumer: Schema.String
}) {
  override get message(): string {
    return `Consumer ${JSON.stringify(this.consumer)} does not exist.`
  }
}

/** The event is not on the list of those that the consumer parked. */
export class NotParked extends Schema.TaggedError<NotParked>()("NotParked", {
  consumer: Schema.String,
  position: Schema.Int
}) {
  override get message(): string {
    return `Consumer ${JSON.stringify(this.consumer)} has not parked the event at position ${this.position}.`
  }
}
