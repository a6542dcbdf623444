import { Context, Data, Effect, Option } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { isNoAnswer } from "../../sql/AnswerTimeout.ts"
import { executeInOrder, type LazyWrite } from "../../sql/bulkStatements.ts"
import { inTransaction, beginReadCommitted } from "../../sql/inTransaction.ts"
import { type BoundStatement, executeStatement } from "../../sql/prepareStatement.ts"

/** The transaction of a batch: it loads, decides, and writes. */
export interface Batch<A> {
  /** The first statement. The server ends the transaction when its client sends nothing for `idleMillis`. */
  readonly bindLoad: (idleMillis: number | undefined) => BoundStatement
  /** Decides on the rows of the first statement. It may execute others. */
  readonly decide: (rows: ReadonlyArray<object>) => Effect.Effect<Decided<A>, SqlError.SqlError>
  /**
   * Decides before anything is loaded, on what this process remembers. `undefined` where the batch needs the first statement. At the
   * second call it does.
   */
  readonly decideOptimistically?: () => OptimisticDecision<A> | undefined
}

/** A decision without the first statement, and the only statement of its transaction. It appends one event. */
export interface OptimisticDecision<A> {
  readonly write: LazyWrite
  /** Decodes the rows of the statement. `undefined` if it has written nothing, because the decision may be wrong. */
  readonly decodeResult: (rows: ReadonlyArray<object>) => OptimisticResult<A> | undefined
}

/** What the transaction of an optimistic decision has written. */
export interface OptimisticResult<A> extends Pick<Decided<A>, "answer" | "afterCommit"> {
  /** The position of the last event. */
  readonly position: number
  /** Called when the commit is durable. */
  readonly remember: () => void
}

/** The result of deciding, and the remaining statements of the transaction. */
export interface Decided<A> {
  readonly answer: A
  /** The last statements of the transaction, in order. Those that append events return the last position. */
  readonly writes: ReadonlyArray<LazyWrite>
  /**
   * Whether the transaction appends events. Then it may commit before the commit is durable: readers wait for the positions. A
   * receipt without events has no position for which others could wait.
   */
  readonly appends: boolean
  /** The number of events that it appends. */
  readonly events: number
  /** Reads the end of the log as the column `position`, for a transaction that writes nothing. */
  readonly readEnd: BoundStatement
  /** Makes the commit of a transaction that writes nothing wait for the commits that it has seen. */
  readonly awaitSeen: BoundStatement
  /** Runs after the commit. */
  readonly afterCommit: Effect.Effect<void>
  /** Called with the last position when the commit of a transaction that appends events is durable. */
  readonly remember?: (position: number) => void
}

/** Runs a batch in one transaction. */
export type RunInTransaction = <A>(batch: Batch<A>) => Effect.Effect<A, BatchFailed>

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
    /** Maximum number of batches that run at the same time. Another batch waits for a connection. */
    readonly maxConcurrent: number
    /** The time in milliseconds for which the server has not responded to a batch, if that is too long; otherwise `undefined`. */
    readonly stuckMillis: () => number | undefined
  }
>()("mosaic-backlog/services/BatchTransaction") {
  /**
   * Runs a batch in the caller's transaction where one is open, else as `own` does. A caller's transaction in which the batch writes
   * nothing executes the statement of `seenBarrier`; without one, that of the batch.
   */
  static readonly make = (
    sql: SqlClient.SqlClient,
    own: BatchTransaction["Service"],
    seenBarrier: () => BoundStatement | undefined = () => undefined
  ): BatchTransaction["Service"] => {
    const runInCallers = runInTransaction(sql, seenBarrier)
    return BatchTransaction.of({
      ...own,
      run: (batch) =>
        Effect.flatMap(Effect.serviceOption(sql.transactionService), (callers) =>
          Option.isSome(callers) ? runInCallers(batch) : own.run(batch)
        )
    })
  }
}

/** One transaction at a time, in the session that all statements of the client share. */
export const inSession = (sql: SqlClient.SqlClient): BatchTransaction["Service"] => ({
  run: runInTransaction(sql),
  maxConcurrent: 1,
  stuckMillis: () => undefined
})

const runInTransaction = (
  sql: SqlClient.SqlClient,
  seenBarrier: () => BoundStatement | undefined = () => undefined
): RunInTransaction => {
  const execute = executeStatement(sql)
  return ({ bindLoad, decide }) =>
    Effect.suspend(() => {
      let mayHaveCommitted = false
      return Effect.suspend(() => execute(bindLoad(undefined))).pipe(
        Effect.flatMap(decide),
        Effect.flatMap(({ afterCommit, answer, awaitSeen, writes }) => {
          const last = writes.length === 0 ? [() => seenBarrier() ?? awaitSeen] : writes
          return Effect.as(Effect.andThen(executeInOrder(sql, last), sql.afterCommit(afterCommit)), answer)
        }),
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
