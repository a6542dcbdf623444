import { Cause, Effect, Exit } from "effect"
import { SqlClient, SqlError, type Statement } from "effect/sql"

/**
 * An expression that makes the transaction's commit wait for the server's disk and for a synchronous standby, where there
 * is one, although the role or the database waits for less. `remote_write` and `remote_apply`, which wait for a standby
 * too, stay as they are. An acknowledged command must not be lost.
 */
export const requireDurableCommit = (sql: SqlClient.SqlClient): Statement.Fragment =>
  sql.literal(`set_config('synchronous_commit', CASE current_setting('synchronous_commit')
    WHEN 'off' THEN 'on' WHEN 'local' THEN 'on' ELSE current_setting('synchronous_commit') END, true)`)

/**
 * `sql.withTransaction`, also when the connection breaks: then ROLLBACK fails too, which the client makes a defect, in
 * place of what ended the transaction. The server has rolled back by itself, so the answer is what ended it.
 *
 * At the level READ COMMITTED where the context names no other, whatever the role's or the database's default: a
 * statement that waited for a lock must see what was committed meanwhile.
 */
export const inTransaction =
  (sql: SqlClient.SqlClient) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError.SqlError, R> =>
    Effect.suspend(() => {
      let failed: Exit.Exit<A, E> | undefined
      return effect.pipe(
        Effect.onExit((exit) =>
          Effect.sync(() => {
            if (Exit.isFailure(exit)) failed = exit
          })
        ),
        sql.withTransaction,
        Effect.updateService(SqlClient.BeginTransaction, (begin) => begin ?? beginReadCommitted),
        Effect.catchCauseIf(
          (cause) => failed !== undefined && cause.reasons.some(isSqlDefect),
          (cause) => failed ?? Effect.failCause(cause)
        )
      )
    })

/** Begins a transaction each of whose statements sees what was committed before that statement. */
export const beginReadCommitted = "BEGIN ISOLATION LEVEL READ COMMITTED"

const isSqlDefect = (reason: Cause.Reason<unknown>): boolean =>
  Cause.isDieReason(reason) && SqlError.isSqlError(reason.defect)
