import { Context, Duration, Effect } from "effect"
import { SqlError } from "effect/sql"

/**
 * The time a server may take to send the next byte of an answer before the client considers the connection dead and
 * closes it. Applies to the statements of an effect outside of batches. The client's `answerTimeout` is the maximum and the
 * default; an infinite duration disables the timeout.
 */
export const AnswerTimeout: Context.Reference<Duration.Duration | undefined> = Context.Reference<
  Duration.Duration | undefined
>("mosaic-backlog/events/AnswerTimeout", { defaultValue: () => undefined })

/**
 * Sets a timeout of 10 seconds, for reads that a live server answers sooner. When the timeout expires the read is retried
 * once on another connection.
 */
export const withPromptAnswer = <A, E, R>(read: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.provideService(
    // `Effect.retry` would build a schedule for each read.
    Effect.catchIf(
      read,
      (error) => SqlError.isSqlError(error) && isNoAnswer(error),
      () => read
    ),
    AnswerTimeout,
    promptAnswer
  )

const promptAnswer = Duration.seconds(10)

/** Disables the timeout, for statements that may run for an hour before they send a byte. */
export const withoutAnswerTimeout: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R> =
  Effect.provideService(AnswerTimeout, Duration.infinity)

/** The server did not answer a statement within the timeout, and the client closed the connection. */
export class NoAnswer extends Error {
  override readonly name = "NoAnswer"

  constructor(millis: number) {
    super(`the server sent nothing for ${Math.round(millis / 100) / 10} seconds, and the connection was closed`)
  }
}

/** Whether a statement failed because the server did not answer it within the timeout. */
export const isNoAnswer = ({ reason }: SqlError.SqlError): boolean => reason.cause instanceof NoAnswer
