import { Schema } from "effect"

/**
 * The worker stopped because its handler cannot work and would block one card after another. A handler fails with this error to
 * stop its worker. A worker also fails with it when its first cards fail immediately (see `maxFailures`). The worker releases the
 * card, and the attempt does not count as failed.
 *
 * What to do: correct what `reason` says, and start the worker again.
 */
export class HandlerUnusable extends Schema.TaggedError<HandlerUnusable>()("HandlerUnusable", {
  /** Why the handler cannot work. */
  reason: Schema.String
}) {
  override get message(): string {
    return `The handler cannot work: ${this.reason}`
  }
}
