import type { SqlClient, Statement } from "effect/sql"

/**
 * An expression that makes the transaction's commit wait for the server's own disk, whatever the role's or the
 * database's setting says; one that promises more is left as it is. What was answered must not be lost.
 */
export const durably = (sql: SqlClient.SqlClient): Statement.Fragment =>
  sql.literal(`set_config('synchronous_commit', CASE current_setting('synchronous_commit')
    WHEN 'off' THEN 'local' ELSE current_setting('synchronous_commit') END, true)`)
