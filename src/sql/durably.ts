import type { SqlClient, Statement } from "effect/sql"

/**
 * An expression that makes the transaction's commit wait for the server's disk and for a synchronous standby, where there
 * is one, although the role or the database waits for less. `remote_write` and `remote_apply`, which wait for a standby
 * too, stay as they are. An acknowledged command must not be lost.
 */
export const durably = (sql: SqlClient.SqlClient): Statement.Fragment =>
  sql.literal(`set_config('synchronous_commit', CASE current_setting('synchronous_commit')
    WHEN 'off' THEN 'on' WHEN 'local' THEN 'on' ELSE current_setting('synchronous_commit') END, true)`)
