import { PgClient } from "@effect/sql-pg"
import { Context, Effect, Layer, Option } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { BatchFailed } from "./BatchFailed.ts"
import { beginStatement, planOnceStatement, type RunInTransaction } from "./RunInTransaction.ts"
import { hasOneSession } from "../hasOneSession.ts"
import { makePipelinedTransactions, type PipelinedTransactions } from "../postgres/pipelinedTransactions.ts"
import { isNoAnswer } from "../../sql/AnswerTimeout.ts"
import { sendInOrder } from "../../sql/bulkStatements.ts"
import { inTransaction } from "../../sql/inTransaction.ts"

/** Begins with the statements it loads with, and commits with those it writes, where the connection allows that. */
export class BatchTransaction extends Context.Service<BatchTransaction, PipelinedTransactions>()(
  "mosaic-backlog/services/BatchTransaction"
) {
  /**
   * In the caller's transaction where one is open. Else, over a pool, on connections beside those of the pool, in two
   * round trips; over a single session in a transaction of that.
   */
  static readonly layer: Layer.Layer<BatchTransaction, never, SqlClient.SqlClient> = Layer.effect(
    BatchTransaction,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const client = yield* Effect.serviceOption(PgClient.PgClient)
      const inCallers = makePlainTransaction(sql, Effect.void)
      const own: PipelinedTransactions =
        Option.isNone(client) || hasOneSession(client.value)
          ? { run: makePlainTransaction(sql, sql.unsafe(planOnceStatement)), atOnce: 1, stuckMillis: () => undefined }
          : yield* makePipelinedTransactions(sql, client.value.config)
      return {
        ...own,
        run: (decide) =>
          Effect.flatMap(Effect.serviceOption(sql.transactionService), (callers) =>
            Option.isSome(callers) ? inCallers(decide) : own.run(decide)
          )
      }
    })
  )
}

const makePlainTransaction = (
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
