import { Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { inTransaction } from "../../sql/inTransaction.ts"

/** More switches than an embedded database has files: 80 MB of them are kept ahead, and a checkpoint comes at 1 GB. */
const mostSwitches = 200

/**
 * Returns whether it removed every file of an embedded database's write-ahead log that was written before this. Files that are kept ahead
 * for later were renamed and have old content: the log moves through each, which overwrites it to its end. Then a
 * checkpoint removes them all, and keeps none.
 */
export const recycleWal = (sql: SqlClient.SqlClient): Effect.Effect<boolean, SqlError.SqlError> =>
  Effect.gen(function* () {
    yield* sql`SELECT set_config('wal_recycle', 'off', true)`
    let isPast = false
    for (let switches = 0; switches < mostSwitches && !isPast; switches++) {
      const [ahead] = yield* sql<{ readonly files: number }>`
        SELECT count(*)::int4 AS files FROM pg_ls_waldir()
        WHERE name ~ '^[0-9A-F]{24}$' AND name > pg_walfile_name(pg_current_wal_lsn())`
      // A file without a record in it is not switched.
      yield* sql`SELECT pg_logical_emit_message(false, 'mosaic_backlog', '')::text, pg_switch_wal()::text`
      isPast = ahead?.files === 0
    }
    yield* sql`CHECKPOINT`
    return isPast
  }).pipe(inTransaction(sql))
