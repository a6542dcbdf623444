import { Array as Arr, Effect } from "effect"
import type { SqlError } from "effect/sql"

/** As many as all but great batches have are sent together. */
const fewStatements = 8

/** Of more, which are not small then, so many are on their way to the database at once. */
const statementsAhead = 4

/**
 * Runs statements one after the other, on the caller's connection. Where that takes statements before it has answered
 * those before, they are sent without waiting. Fails with the first failure.
 */
export const sendInOrder = (
  statements: ReadonlyArray<Effect.Effect<unknown, SqlError.SqlError>>
): Effect.Effect<void, SqlError.SqlError> =>
  statements.length <= fewStatements
    ? Effect.all(statements, { concurrency: fewStatements, discard: true })
    : // The next is made only when what there is of the last has been given to the connection.
      Effect.forEach(statements, (statement) => Effect.andThen(Effect.yieldNow, statement), {
        concurrency: statementsAhead,
        discard: true
      })

/** Rows that one statement takes, so that no message to the database grows without bound. */
const rowsPerStatement = 1_000

/** Characters of payload that one statement takes. */
const sizePerStatement = 8 * 1024 * 1024

/** Splits rows into the parts that one statement takes each, in order; `sizeOf` tells a row's payload in characters. */
export function* chunkRows<A>(
  rows: ReadonlyArray<A>,
  sizeOf: (row: A) => number
): Generator<Arr.NonEmptyReadonlyArray<A>> {
  let chunk: Array<A> = []
  let total = 0
  for (const row of rows) {
    const size = sizeOf(row)
    const isFull = chunk.length >= rowsPerStatement || total + size > sizePerStatement
    if (isFull && Arr.isArrayNonEmpty(chunk)) {
      yield chunk
      chunk = []
      total = 0
    }
    chunk.push(row)
    total += size
  }
  if (Arr.isArrayNonEmpty(chunk)) yield chunk
}
