import { Effect, Option, Pull, type Scope, Stream } from "effect"
import type { SqlError } from "effect/sql"
import { type DatabaseTrouble, told, withDatabaseTrouble } from "./DatabaseTrouble.ts"

/** A stream whose first items are there: what goes wrong before them is an answer of its own. */
export const started = Effect.fnUntraced(function* <A, E, R>(
  stream: Stream.Stream<A, E, R>
): Effect.fn.Return<Stream.Stream<A, E, R>, Exclude<E, SqlError.SqlError> | DatabaseTrouble, R | Scope.Scope> {
  const pull = yield* Stream.toPull(stream)
  const first = yield* withDatabaseTrouble(
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
export const endingInProblem = <A, E, R>(
  stream: Stream.Stream<A, E, R>
): Stream.Stream<A | Exclude<E, SqlError.SqlError> | DatabaseTrouble, never, R> =>
  Stream.catch(stream, (error) => Stream.fromEffect(Effect.flip(told(error))))

/** A stream that has started, and ends in a problem where something goes wrong later. */
export const startedStream = <A, E, R>(stream: Stream.Stream<A, E, R>) =>
  Effect.map(started(stream), (begun) => endingInProblem(begun))
