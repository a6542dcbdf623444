import type { PgConnection } from "@effect/sql-pg"
import { Effect } from "effect"
import type { SqlClient, SqlConnection } from "effect/sql"
import { isNoAnswer } from "../../sql/AnswerTimeout.ts"
import { BatchFailed, type BatchTransaction } from "../commands/BatchTransaction.ts"
import { type BatchProgress, runBatch } from "./runBatch.ts"

/** Runs one batch at a time, in the session that all statements of an embedded database share. */
export const makeSessionTransactions = (sql: SqlClient.SqlClient): BatchTransaction["Service"] => ({
  run: (batch) =>
    Effect.suspend(() => {
      const progress: BatchProgress = { hasBegun: false, commitSent: false, isRefused: false }
      return Effect.scoped(
        Effect.flatMap(sql.reserve, (connection) =>
          runBatch(sql, sessionOf(connection), batch, { answersAtOnce: false, idleMillis: undefined, progress })
        )
      ).pipe(
        Effect.mapError(
          (error) =>
            new BatchFailed({
              error,
              mayHaveCommitted: progress.commitSent && !progress.isRefused,
              timedOut: isNoAnswer(error)
            })
        )
      )
    }),
  maxConcurrent: 1,
  stuckMillis: () => undefined
})

/** The session of a reserved connection, which `@effect/sql-pg` does not export. */
const sessionOf = (connection: SqlConnection.Connection): PgConnection.PgConnection =>
  (connection as unknown as { readonly connection: PgConnection.PgConnection }).connection
