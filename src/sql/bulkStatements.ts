import { Array as Arr, Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { type BoundStatement, executeStatement } from "./prepareStatement.ts"

/** Up to this number, which only very large batches exceed, all statements are sent at once. */
const maxSentAtOnce = 8

/** If there are more statements, which are large then, this number is in flight at once. */
const maxInFlight = 4

/**
 * Runs statements in order on the caller's connection. A connection that pipelines sends them without waiting for the
 * answers. Fails with the first error.
 */
export const sendInOrder = (
  statements: ReadonlyArray<Effect.Effect<unknown, SqlError.SqlError>>
): Effect.Effect<void, SqlError.SqlError> =>
  statements.length <= maxSentAtOnce
    ? Effect.all(statements, { concurrency: maxSentAtOnce, discard: true })
    : // Yields first, so that a statement is built only after the previous one was passed to the connection.
      Effect.forEach(statements, (statement) => Effect.andThen(Effect.yieldNow, statement), {
        concurrency: maxInFlight,
        discard: true
      })

/** Maximum rows of one statement, which bounds the size of messages to the database. */
const rowsPerStatement = 1_000

/** Maximum characters of payload of one statement. */
const sizePerStatement = 8 * 1024 * 1024

/** A statement that is bound only when it is its turn: those of a large batch are large. */
export type LazyStatement = () => BoundStatement

/** A statement that writes. With `commitsEarly` its transaction commits without waiting for the flush. Defaults to `false`. */
export type LazyWrite = (commitsEarly?: boolean) => BoundStatement

/** Executes statements as `sendInOrder` runs them. */
export const executeInOrder = (
  sql: SqlClient.SqlClient,
  statements: ReadonlyArray<LazyStatement>
): Effect.Effect<void, SqlError.SqlError> => {
  const execute = executeStatement(sql)
  return sendInOrder(statements.map((statement) => Effect.suspend(() => execute(statement()))))
}

/** Splits rows, in order, into chunks for one statement each. `sizeOf` returns the characters of a row's payload. */
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
