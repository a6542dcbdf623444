import { Effect, Option, Stream } from "effect"
import { SqlError } from "effect/sql"
import { type Told, told } from "./asked.ts"

/** The items of an answer that ends in a problem when something went wrong: that is the stream's error. */
export const items = <A, E>(
  answer: Stream.Stream<A, E>
): Stream.Stream<Exclude<A, Error>, Told<E | Extract<A, Error>>> =>
  Stream.mapEffect(Stream.mapError(answer, told), (item) =>
    item instanceof Error ? Effect.fail(told(item)) : Effect.succeed(item)
  ) as Stream.Stream<Exclude<A, Error>, Told<E | Extract<A, Error>>>

/** The report of an answer that tells its progress before. */
export const reported = <Progress, Report, E>(
  answer: Stream.Stream<{ readonly progress: Progress } | { readonly report: Report }, E>,
  onProgress: (progress: Progress) => Effect.Effect<void>
): Effect.Effect<Report, E | SqlError.SqlError> =>
  answer.pipe(
    Stream.tap((line) => ("progress" in line ? onProgress(line.progress) : Effect.void)),
    Stream.runLast,
    Effect.flatMap((last) =>
      Option.isSome(last) && "report" in last.value ? Effect.succeed(last.value.report) : Effect.fail(brokenOff())
    )
  )

/** An answer that ended before it was whole. */
export const brokenOff = (): SqlError.SqlError =>
  new SqlError.SqlError({
    reason: new SqlError.ConnectionError({
      cause: undefined,
      message: "The server's answer broke off.",
      operation: "http"
    })
  })
