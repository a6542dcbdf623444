import { Context, Duration, Effect } from "effect"
import { SqlError } from "effect/sql"

/**
 * How long a server may leave a statement without a byte of its answer before the connection is taken for dead and
 * closed. Bounds the statements of an effect outside of batches; the client's `answerTimeout` is the upper bound.
 * Defaults to that. With an infinite duration statements may work in silence for any length of time.
 */
export const AnswerTimeout: Context.Reference<Duration.Duration | undefined> = Context.Reference<
  Duration.Duration | undefined
>("mosaic-backlog/events/AnswerTimeout", { defaultValue: () => undefined })

/**
 * For reads whose first rows arrive within 10 seconds from any server that is alive. A read whose connection turned out to
 * be dead is sent once more, on another one.
 */
export const withPromptAnswer = <A, E, R>(read: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  read.pipe(
    Effect.provideService(AnswerTimeout, Duration.seconds(10)),
    Effect.retry({ while: (error) => SqlError.isSqlError(error) && isNoAnswer(error), times: 1 })
  )

/** For statements that may work for an hour before they send a byte. */
export const withoutAnswerTimeout: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R> =
  Effect.provideService(AnswerTimeout, Duration.infinity)

/** Why a connection was closed from this side: the server left a statement without an answer. */
export class NoAnswer extends Error {
  override readonly name = "NoAnswer"

  constructor(millis: number) {
    super(`the server sent nothing for ${Math.round(millis / 100) / 10} seconds, and the connection was closed`)
  }
}

/** Whether a statement failed because the server left it without an answer. */
export const isNoAnswer = ({ reason }: SqlError.SqlError): boolean => reason.cause instanceof NoAnswer
