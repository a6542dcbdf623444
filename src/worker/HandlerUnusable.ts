import { Schema } from "effect"

/**
 * A worker stopped because its handler cannot do any work, and would only block one card after another. A handler fails with
 * this error to stop its worker; a worker also stops with it when the first cards fail at once, as `maxFailures` says. The card
 * is released, and its attempt does not count as failed.
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
