import { type Duration, Effect, Option, Pull, Queue, Schema, type Scope, Stream } from "effect"
import { HttpServerResponse } from "effect/http"
import type { SqlError } from "effect/sql"
import { EventStreamProblem } from "./api/AuditGroup.ts"
import { type DatabaseError, toDatabaseError } from "./errors.ts"
import { RecordedEvent, type ServerFailure } from "../index.ts"

/** Starts a stream. An error before its first items is the error of the response, with a status of its own. */
export const startStream = Effect.fnUntraced(function* <A, E, R>(
  stream: Stream.Stream<A, E, R>
): Effect.fn.Return<
  Stream.Stream<A, E, R>,
  Exclude<E, SqlError.SqlError | ServerFailure> | DatabaseError,
  R | Scope.Scope
> {
  const pull = yield* Stream.toPull(stream)
  const first = yield* Effect.catch(
    Pull.catchDone(Effect.asSome(pull), () => Effect.succeedNone) as Effect.Effect<
      Option.Option<readonly [A, ...Array<A>]>,
      E,
      R
    >,
    toDatabaseError
  )
  if (Option.isNone(first)) return Stream.empty
  return Stream.concat(Stream.fromArray(first.value), Stream.fromPull(Effect.succeed(pull)))
})

/** Makes the error of a stream its last item. */
export const endInProblem = <A, E, R>(
  stream: Stream.Stream<A, E, R>
): Stream.Stream<A | Exclude<E, SqlError.SqlError | ServerFailure> | DatabaseError, never, R> =>
  Stream.catch(stream, (error) => Stream.fromEffect(Effect.flip(toDatabaseError(error))))

/** Starts a stream whose later errors become its last item. */
export const startStreamEndingInProblem = <A, E, R>(stream: Stream.Stream<A, E, R>) =>
  Effect.map(startStream(stream), (begun) => endInProblem(begun))

/** Runs an operation as a stream of its progress and then its report. A slow reader misses progress only. */
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
 * Sends events as server-sent events until `until` completes. The id of an event is its position. A comment at the beginning
 * and per `heartbeat` shows the reader, and each proxy, that the connection is alive.
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
    { contentType: "text/event-stream", headers: { "cache-control": "no-store, no-transform" } }
  )

const encodeEvent = Schema.encodeSync(RecordedEvent)
const encodeProblem = Schema.encodeSync(EventStreamProblem)

const sseFrame = (event: RecordedEvent | typeof EventStreamProblem.Type): string =>
  event instanceof Error
    ? `event: problem\ndata: ${JSON.stringify(encodeProblem(event))}\n\n`
    : `id: ${event.position}\ndata: ${JSON.stringify(encodeEvent(event))}\n\n`
