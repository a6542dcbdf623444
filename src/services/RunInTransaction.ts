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

/**
 * Other ways to a few rows, or to their order, than an index: none is better than it for any statement of a batch, however
 * large the tables.
 */
const otherWays = ["seqscan", "bitmapscan", "hashjoin", "mergejoin", "sort"]

/**
 * Has the statements of a transaction planned once, for any parameters and any size of the tables. Else the planner's guess
 * at what arrays will hold makes it plan some anew every time, which takes longer than carrying them out; and a plan that is
 * kept and was made while a table was small must not be one that looks at all of it.
 */
export const planOnceStatement = `SELECT set_config('plan_cache_mode', 'force_generic_plan', true)${otherWays
  .map((way) => `, set_config('enable_${way}', 'off', true)`)
  .join("")}`

/** Whatever the role's or the database's setting says: the locks are made for this level. */
export const beginStatement = "BEGIN ISOLATION LEVEL READ COMMITTED"
