import { Context, Data, Effect, Option } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { isNoAnswer } from "../../sql/AnswerTimeout.ts"
import { inTransaction, beginReadCommitted } from "../../sql/inTransaction.ts"
import { sendInOrder } from "../../sql/bulkStatements.ts"

/** The result of loading and deciding, and what the transaction still has to do. */
export interface Decided<A> {
  readonly answer: A
  /** The last statements of the transaction, in order. */
  readonly writes: ReadonlyArray<Effect.Effect<unknown, SqlError.SqlError>>
  /** Runs after the commit. */
  readonly afterCommit: Effect.Effect<void>
}

/** Runs an effect that loads and decides, and then its writes, in one transaction. */
export type RunInTransaction = <A>(
  decide: Effect.Effect<Decided<A>, SqlError.SqlError>
) => Effect.Effect<A, BatchFailed>

/**
 * Every statement of a batch reaches its few rows best by an index, whatever the size of the tables. With the other plan nodes
 * disabled, a generic plan that was made for a small table does not read all of a large one later (decision 26).
 */
const disabledPlanNodes = ["seqscan", "bitmapscan", "hashjoin", "mergejoin", "sort"]

/**
 * The settings that the statements of a batch need, whatever the server, database or role sets:
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

/** Applies these settings until the end of the transaction. */
export const batchSettingsStatement = `SELECT ${batchSettings
  .map(([name, value]) => `pg_catalog.set_config('${name}', '${value}', true)`)
  .join(", ")}`

export const beginStatement = beginReadCommitted

/** A batch that failed. */
export class BatchFailed extends Data.TaggedError("BatchFailed")<{
  readonly error: SqlError.SqlError
  /** Whether the connection broke during COMMIT: a retry could run the commands a second time. */
  readonly mayHaveCommitted: boolean
  /** Whether the server did not respond. A retry of each command would wait for the same timeout again. */
  readonly timedOut: boolean
}> {}

/**
 * The transactions in which batches of commands run. The database's layer provides them: pipelined transactions on a server,
 * `inSession` on an embedded database.
 */
export class BatchTransaction extends Context.Service<
  BatchTransaction,
  {
    readonly run: RunInTransaction
    /** How many batches can run at the same time; one more waits for its connection. */
    readonly maxConcurrent: number
    /** For how many milliseconds the server has not responded to a batch, where that is too long; else `undefined`. */
    readonly stuckMillis: () => number | undefined
  }
>()("mosaic-backlog/services/BatchTransaction") {
  /** Runs a batch in the caller's transaction where one is open, else as `own` does. */
  static readonly make = (sql: SqlClient.SqlClient, own: BatchTransaction["Service"]): BatchTransaction["Service"] => {
    const runInCallers = runInTransaction(sql, Effect.void)
    return BatchTransaction.of({
      ...own,
      run: (decide) =>
        Effect.flatMap(Effect.serviceOption(sql.transactionService), (callers) =>
          Option.isSome(callers) ? runInCallers(decide) : own.run(decide)
        )
    })
  }
}

/** One transaction at a time, in the session that all statements of the client share. */
export const inSession = (sql: SqlClient.SqlClient): BatchTransaction["Service"] => ({
  run: runInTransaction(sql, sql.unsafe(batchSettingsStatement)),
  maxConcurrent: 1,
  stuckMillis: () => undefined
})

const runInTransaction = (
  sql: SqlClient.SqlClient,
  first: Effect.Effect<unknown, SqlError.SqlError>
): RunInTransaction => {
  return (decide) =>
    Effect.suspend(() => {
      let mayHaveCommitted = false
      return Effect.andThen(first, decide).pipe(
        Effect.flatMap(({ afterCommit, answer, writes }) =>
          Effect.as(Effect.andThen(sendInOrder(writes), sql.afterCommit(afterCommit)), answer)
        ),
        Effect.tap(() =>
          Effect.sync(() => {
            mayHaveCommitted = true
          })
        ),
        inTransaction(sql),
        Effect.provideService(SqlClient.BeginTransaction, beginStatement),
        Effect.mapError((error) => new BatchFailed({ error, mayHaveCommitted, timedOut: isNoAnswer(error) }))
      )
    })
}
