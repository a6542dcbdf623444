import { Cause, Effect, Exit } from "effect"
import { SqlClient, SqlError, type Statement } from "effect/sql"

/**
 * Runs an effect in a transaction, like `sql.withTransaction`, with two differences:
 *
 * - When the connection breaks, ROLLBACK fails too, and the client reports that as a defect instead of the error that ended
 *   the transaction. Here the effect fails with the original error; the server rolls back by itself.
 * - The isolation level is READ COMMITTED unless the context specifies another, whatever the default of the role or the
 *   database: a statement that waited for a lock must see what was committed meanwhile.
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

/** Begins a transaction in which each statement sees everything that was committed before the statement. */
export const beginReadCommitted = "BEGIN ISOLATION LEVEL READ COMMITTED"

const isSqlDefect = (reason: Cause.Reason<unknown>): boolean =>
  Cause.isDieReason(reason) && SqlError.isSqlError(reason.defect)

/**
 * An expression that makes the commit of the transaction wait for the server's disk, and for the synchronous standby if
 * there is one, even where the role or the database waits for less: an acknowledged command must not be lost. The settings
 * `remote_write` and `remote_apply`, which also wait for a standby, are not changed.
 */
export const durableCommitLevel = `pg_catalog.set_config('synchronous_commit', CASE pg_catalog.current_setting('synchronous_commit')
    WHEN 'off' THEN 'on' WHEN 'local' THEN 'on' ELSE pg_catalog.current_setting('synchronous_commit') END, true)`

/** `durableCommitLevel` as a part of a statement. */
export const requireDurableCommit = (sql: SqlClient.SqlClient): Statement.Fragment => sql.literal(durableCommitLevel)
