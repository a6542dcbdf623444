import { Effect, Queue, Stream } from "effect"

/** Runs what tells its progress, as a stream of that and then of the report. A reader who is slow misses progress only. */
export const withProgress = <Progress, Report, E, R>(
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
