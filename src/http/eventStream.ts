import { type Duration, type Effect, Schema, Stream } from "effect"
import { HttpServerResponse } from "effect/http"
import { RecordedEvent } from "../index.ts"
import { EventStreamProblem } from "./api/AuditGroup.ts"

/**
 * Events as server-sent events, whose ids are their positions, until the server is about to end. A comment now and then
 * shows a reader that the connection lives.
 */
export const eventStream = (
  events: Stream.Stream<RecordedEvent | typeof EventStreamProblem.Type>,
  { heartbeat, until }: { readonly heartbeat: Duration.Input; readonly until: Effect.Effect<void> }
): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.stream(
    Stream.map(events, frame).pipe(
      Stream.merge(
        Stream.map(Stream.tick(heartbeat), () => ": here\n\n"),
        { haltStrategy: "left" }
      ),
      Stream.interruptWhen(until),
      Stream.encodeText
    ),
    { contentType: "text/event-stream", headers: { "cache-control": "no-store" } }
  )

const encodeEvent = Schema.encodeSync(RecordedEvent)
const encodeProblem = Schema.encodeSync(EventStreamProblem)

const frame = (event: RecordedEvent | typeof EventStreamProblem.Type): string =>
  event instanceof Error
    ? `event: problem\ndata: ${JSON.stringify(encodeProblem(event))}\n\n`
    : `id: ${event.position}\ndata: ${JSON.stringify(encodeEvent(event))}\n\n`
