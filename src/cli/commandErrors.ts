import { Schema } from "effect"
import { ClaimOutlook, Obstacle } from "../index.ts"

/**
 * No card is claimable, or the requested card cannot be claimed now.
 *
 * What to do: wait, or do what `obstacles` and `outlook` say.
 */
export class NothingClaimable extends Schema.TaggedError<NothingClaimable>()("NothingClaimable", {
  /** The requested card. `null` if any card was acceptable. */
  id: Schema.NullOr(Schema.String),
  /** The reasons why the requested card cannot be claimed. */
  obstacles: Schema.Array(Obstacle),
  /** Why no card was claimable. `null` if a card was requested, or if the answer comes from a receipt. */
  outlook: Schema.NullOr(ClaimOutlook),
  message: Schema.String
}) {}

/**
 * The command of `work --exec` cannot do any work. The worker stopped, and released its cards.
 *
 * What to do: correct the command of `--exec`, and start the worker again.
 */
export class ExecUnusable extends Schema.TaggedError<ExecUnusable>()("ExecUnusable", { reason: Schema.String }) {
  override get message(): string {
    return `The worker stopped, because the command of --exec cannot work: ${this.reason}`
  }
}

/**
 * The command needs the database itself, and the selected backlog is that of a server.
 *
 * What to do: run the command where the database can be reached, with `--db`.
 */
export class NeedsDatabase extends Schema.TaggedError<NeedsDatabase>()("NeedsDatabase", {
  command: Schema.String,
  /** The URL of the server. */
  server: Schema.String
}) {
  override get message(): string {
    return (
      `\`backlog ${this.command}\` needs the database itself, and ${this.server} is the URL of a server. ` +
      "Run it where the database can be reached, with --db and a postgres:// URL or a directory."
    )
  }
}

/**
 * The output file exists already. It was not changed.
 *
 * What to do: choose another file, or pass `--force`.
 */
export class FileExists extends Schema.TaggedError<FileExists>()("FileExists", { file: Schema.String }) {
  override get message(): string {
    return `${JSON.stringify(this.file)} already exists. Use --force to replace it.`
  }
}

/**
 * The output file could not be written completely. An earlier file of that name is unchanged.
 *
 * What to do: correct what `problem` says, and repeat the command.
 */
export class FileNotWritten extends Schema.TaggedError<FileNotWritten>()("FileNotWritten", {
  file: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `${JSON.stringify(this.file)} cannot be written: ${this.problem}`
  }
}

/**
 * No consumer of this name has a checkpoint or a parked event.
 *
 * What to do: check the name. `backlog consumers` shows the consumers.
 */
export class ConsumerNotFound extends Schema.TaggedError<ConsumerNotFound>()("ConsumerNotFound", {
  consumer: Schema.String
}) {
  override get message(): string {
    return `Consumer ${JSON.stringify(this.consumer)} does not exist.`
  }
}

/**
 * The consumer has not parked this event.
 *
 * What to do: check the position. `backlog consumers NAME` shows the parked events.
 */
export class NotParked extends Schema.TaggedError<NotParked>()("NotParked", {
  consumer: Schema.String,
  position: Schema.Int
}) {
  override get message(): string {
    return `Consumer ${JSON.stringify(this.consumer)} has not parked the event at position ${this.position}.`
  }
}
