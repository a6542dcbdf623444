import { Schema } from "effect"

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
