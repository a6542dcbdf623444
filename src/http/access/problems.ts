import { Schema } from "effect"

/** The server does not know who calls, and takes nothing from whom it does not know. Nothing was done. */
export class Unauthorized extends Schema.TaggedError<Unauthorized>()("Unauthorized", {
  problem: Schema.String
}) {
  override get message(): string {
    return `${this.problem} Show a token: Authorization: Bearer mbk_…`
  }
}

/** The server knows who calls, and does not let him do that. Nothing was done. */
export class Forbidden extends Schema.TaggedError<Forbidden>()("Forbidden", {
  problem: Schema.String
}) {
  override get message(): string {
    return this.problem
  }
}

/** The caller asks more often than he may. Nothing was done. */
export class TooManyRequests extends Schema.TaggedError<TooManyRequests>()("TooManyRequests", {
  /** When to ask again, in seconds. */
  retryAfterSeconds: Schema.Int
}) {
  override get message(): string {
    return `There were too many requests: ask again in ${this.retryAfterSeconds} s.`
  }
}

/** A backlog is not put on the network like that. Nothing listens. */
export class ServeRefused extends Schema.TaggedError<ServeRefused>()("ServeRefused", {
  problem: Schema.String
}) {
  override get message(): string {
    return `The backlog is not served: ${this.problem}.`
  }
}
