import type { Effect } from "effect"
import type { SqlError } from "effect/sql"
import type { BatchFailed } from "./BatchFailed.ts"

/** What a transaction has to do when all is loaded and decided. */
export interface Decided<A> {
  readonly answer: A
  /** The last statements of the transaction, in order. */
  readonly writes: ReadonlyArray<Effect.Effect<unknown, SqlError.SqlError>>
  /** What is done when it is committed. */
  readonly afterCommit: Effect.Effect<void>
}

/** How a batch of commands is carried out in one transaction. */
export type RunInTransaction = <A>(
  decide: Effect.Effect<Decided<A>, SqlError.SqlError>
) => Effect.Effect<A, BatchFailed>

/** Whatever the role's or the database's setting says: the locks are made for this level. */
export const beginStatement = "BEGIN ISOLATION LEVEL READ COMMITTED"
