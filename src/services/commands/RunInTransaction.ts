import type { Effect } from "effect"
import type { SqlError } from "effect/sql"
import { beginReadCommitted } from "../../sql/inTransaction.ts"
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
 * Every statement of a batch reaches its few rows best by an index, however large the tables are. Disabling the other plan
 * nodes also keeps a generic plan that was made while a table was small from reading all of it later.
 */
const disabledPlanNodes = ["seqscan", "bitmapscan", "hashjoin", "mergejoin", "sort"]

/**
 * What the statements of a batch rely on, whatever the server, database or role sets:
 *
 * - Each statement is planned once, for any parameters and any size of the tables. Otherwise the planner's estimate of
 *   what arrays hold makes it plan some statements every time, which takes longer than executing them.
 * - Nothing is compiled. Up to Postgres 17 each disabled node adds 1e10 to the cost of a plan that cannot do without it,
 *   and plans of a cost above 1e5 are compiled, which takes a hundred times longer than executing them.
 * - Names are those of `pg_catalog`. All tables are named with their schema.
 */
const batchSettings: ReadonlyArray<readonly [name: string, value: string]> = [
  ["search_path", "pg_catalog"],
  ["jit", "off"],
  ["plan_cache_mode", "force_generic_plan"],
  ...disabledPlanNodes.map((node) => [`enable_${node}`, "off"] as const)
]

/** Makes these settings, until the transaction ends. */
export const planOnceStatement = `SELECT ${batchSettings
  .map(([name, value]) => `pg_catalog.set_config('${name}', '${value}', true)`)
  .join(", ")}`

export const beginStatement = beginReadCommitted
