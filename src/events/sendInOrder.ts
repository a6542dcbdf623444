import { Effect } from "effect"
import type { SqlError } from "effect/sql"

/** Statements that are on their way to the database at once: none of them is small when there are many. */
const statementsAhead = 4

/** When there are so many, the next is made only when what there is of the last has been given to the connection. */
const manyStatements = 16

/**
 * Runs statements one after the other, on the caller's connection. Where that takes statements before it has answered
 * those before, they are sent without waiting. Fails with the first failure.
 */
export const sendInOrder = (
  statements: ReadonlyArray<Effect.Effect<unknown, SqlError.SqlError>>
): Effect.Effect<void, SqlError.SqlError> =>
  Effect.forEach(
    statements,
    statements.length < manyStatements
      ? (statement) => statement
      : (statement) => Effect.andThen(Effect.yieldNow, statement),
    { concurrency: statementsAhead, discard: true }
  )
