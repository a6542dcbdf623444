import { PgClient } from "@effect/sql-pg"
import { Effect, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { type DatabaseFiles, isLogFile } from "./databaseFiles.ts"
import { makeMemoryClient } from "./PgliteClient.ts"

/**
 * Runs an effect with the client of a database in memory, and returns the files of the database after it was shut down. The
 * database starts with the files that `newFiles` returns, or else is created with `initdb`.
 */
export const snapshotDatabase = <E, R>(
  newFiles: () => Promise<DatabaseFiles | undefined>,
  use: (client: Layer.Layer<PgClient.PgClient | SqlClient.SqlClient>) => Effect.Effect<void, E, R>
): Effect.Effect<DatabaseFiles, E | SqlError.SqlError, R> =>
  Effect.gen(function* () {
    let closed: DatabaseFiles | undefined
    const onClosed = (files: DatabaseFiles) => {
      closed = files
    }
    const logFile = yield* Effect.scoped(
      Effect.gen(function* () {
        const context = yield* Layer.build(Layer.fresh(PgClient.layerFrom(makeMemoryClient({ newFiles, onClosed }))))
        const client = Layer.succeedContext(context)
        yield* use(client)
        return yield* Effect.provide(startLogFile, client)
      })
    )
    if (closed === undefined) return yield* Effect.die(new Error("the database was not closed"))
    return withoutLeftovers(closed, logFile)
  })

/** Starts a file of the write-ahead log, so that a copy needs none before it, and returns its name. */
const startLogFile = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`SELECT pg_switch_wal()::text`
  yield* sql`CHECKPOINT`
  const [row] = yield* sql<{ readonly name: string }>`SELECT pg_walfile_name(pg_current_wal_lsn()) AS name`
  return row?.name ?? (yield* Effect.die(new Error("the database has no write-ahead log")))
})

/** Removes what Postgres creates again: log files before and after the current one, caches and statistics. */
const withoutLeftovers = ({ files, folders }: DatabaseFiles, logFile: string): DatabaseFiles => ({
  folders: folders.toSorted(),
  files: new Map(
    Array.from(files)
      .filter(([path]) =>
        isLogFile(path)
          ? path === `pg_wal/${logFile}`
          : !path.endsWith("/pg_internal.init") && !path.startsWith("pg_stat/")
      )
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
  )
})
