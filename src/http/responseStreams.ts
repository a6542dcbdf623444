import { type Duration, Effect, Option, Pull, Queue, Schema, type Scope, Stream } from "effect"
import { HttpServerResponse } from "effect/http"
import type { SqlError } from "effect/sql"
import { EventStreamProblem } from "./api/AuditGroup.ts"
import { type DatabaseError, toDatabaseError, withDatabaseErrors } from "./errors.ts"
import { RecordedEvent } from "../index.ts"

/** Runs what tells its progress, as a stream of that and then of the report. A reader who is slow misses progress only. */
export const streamProgress = <Progress, Report, E, R>(
  run: (onProgress: (progress: Progress) => Effect.Effect<void>) => Effect.Effect<Report, E, R>
): Stream.Stream<{ readonly progress: Progress } | { readonly report: Report }, E, R> =>
  Stream.callback(
    (queue) =>
      run((progress) => Effect.asVoid(Queue.offer(queue, { progress }))).pipe(
        Effect.flatMap((report) => Effect.andThen(Queue.offer(queue, { report }), Queue.end(queue))),
        Effect.catchCause((cause) => Queue.failCause(queue, cause))
      ),
    { bufferSize: 16, strategy: "sliding" }
  )

/**
 * Events as server-sent events, whose ids are their positions, until the server is about to end. A comment now and then
 * shows a reader that the connection lives.
 */
export const eventStreamResponse = (
  events: Stream.Stream<RecordedEvent | typeof EventStreamProblem.Type>,
  { heartbeat, until }: { readonly heartbeat: Duration.Input; readonly until: Effect.Effect<void> }
): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.stream(
    Stream.map(events, sseFrame).pipe(
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

const sseFrame = (event: RecordedEvent | typeof EventStreamProblem.Type): string =>
  event instanceof Error
    ? `event: problem\ndata: ${JSON.stringify(encodeProblem(event))}\n\n`
    : `id: ${event.position}\ndata: ${JSON.stringify(encodeEvent(event))}\n\n`

/** A stream whose first items are there: what goes wrong before them is an answer of its own. */
export const startStream = Effect.fnUntraced(function* <A, E, R>(
  stream: Stream.Stream<A, E, R>
): Effect.fn.Return<Stream.Stream<A, E, R>, Exclude<E, SqlError.SqlError> | DatabaseError, R | Scope.Scope> {
  const pull = yield* Stream.toPull(stream)
  const first = yield* withDatabaseErrors(
    Pull.catchDone(Effect.asSome(pull), () => Effect.succeedNone) as Effect.Effect<
      Option.Option<readonly [A, ...Array<A>]>,
      E,
      R
    >
  )
  if (Option.isNone(first)) return Stream.empty
  return Stream.concat(Stream.fromArray(first.value), Stream.fromPull(Effect.succeed(pull)))
})

/** Makes what goes wrong the last item of a stream. */
export const endInProblem = <A, E, R>(
  stream: Stream.Stream<A, E, R>
): Stream.Stream<A | Exclude<E, SqlError.SqlError> | DatabaseError, never, R> =>
  Stream.catch(stream, (error) => Stream.fromEffect(Effect.flip(toDatabaseError(error))))

/** A stream that has started, and ends in a problem where something goes wrong later. */
export const startStreamEndingInProblem = <A, E, R>(stream: Stream.Stream<A, E, R>) =>
  Effect.map(startStream(stream), (begun) => endInProblem(begun))
