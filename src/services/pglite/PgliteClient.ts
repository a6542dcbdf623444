import { PgClient, PgConnection } from "@effect/sql-pg"
import { type Duration, Effect, type Layer } from "effect"
import { type SqlClient, SqlError } from "effect/sql"
import type { DirectoryLocked, DirectoryUnusable } from "../files/directoryErrors.ts"
import { maxMessageSize } from "../../sql/maxMessageSize.ts"
import type { BacklogMissing, Opening } from "../schema/BacklogOpening.ts"
import type { DatabaseFiles } from "./databaseFiles.ts"
import { newDatabaseFiles } from "./NewDatabase.ts"
import { closeEngine, PgliteEngine } from "./PgliteEngine.ts"
import { SessionStream } from "./SessionStream.ts"
import { openSharedDirectory } from "./SharedDirectory.ts"
import { TransactionPooler } from "./TransactionPooler.ts"

/**
 * A client of an embedded Postgres, in memory or in the directory `dataDir`, which is created if it does not exist.
 *
 * **Details**
 *
 * - Several processes of one user can use a directory at the same time. One of them holds it, and serves the others
 *   over a Unix socket that only that user can reach. When the holder ends, in any way, the next process that uses the
 *   directory becomes the holder. Where there are no such sockets (Windows), or when the holder does not answer, a
 *   process waits for the other for `lockWait`.
 * - Every file and folder is created for this user only, whatever the umask is. A directory that other users can enter
 *   is restricted to this user. If its database was accessible to others, a warning is logged.
 * - Opening a database takes half a second, creating one little more: a new database starts as a copy of a template in
 *   this package. Without a template of the installed version of PGlite it takes some seconds.
 * - There is one session. Transactions and single statements of all processes take turns in it. Session settings and
 *   temporary tables can be reset between two transactions, as behind a pooler in transaction mode. A
 *   transaction of a served process that is idle for 30 seconds while others wait is rolled back, and its connection
 *   ended.
 * - Closing the layer lets served processes finish for up to 10 seconds, writes everything, and then releases the
 *   directory.
 *
 * **Gotchas**
 *
 * A process that is killed leaves a directory that the next process can open, with every transaction that was
 * acknowledged. A power failure may cost more, because PGlite never asks the disk to write.
 *
 * When the holder ends or the engine crashes, the current statements fail with a connection error, and the next
 * statements use a new connection. A database in memory is lost.
 *
 * **Rejections**
 *
 * - `DirectoryLocked`: another process holds the directory and does not share it with this one.
 * - `DirectoryUnusable`: the directory or a file in it belongs to another user, it holds something else, a damaged
 *   database or one of another version, or it cannot be written or restricted to this user.
 * - `BacklogMissing`: with `opening: "existing"`, there is no database.
 * - `SqlError`: the engine does not start.
 */
export const layerPgliteClient = (
  options: {
    /** The directory of the database. Defaults to a database in memory. */
    readonly dataDir?: string | undefined
    /** Time to wait for a process that holds the directory and does not share it. Defaults to 10 seconds. */
    readonly lockWait?: Duration.Input | undefined
    /** With `existing`, a directory without a database fails with `BacklogMissing`. Defaults to `create`. */
    readonly opening?: Opening | undefined
  } = {}
): Layer.Layer<
  PgClient.PgClient | SqlClient.SqlClient,
  BacklogMissing | DirectoryLocked | DirectoryUnusable | SqlError.SqlError
> =>
  PgClient.layerFrom(
    options.dataDir === undefined
      ? inMemory
      : inDirectory(options.dataDir, options.lockWait, (options.opening ?? "create") === "create")
  )

const connection = {
  username: "postgres",
  database: "postgres",
  // A connection cannot be lost on the way. A process that is busy only takes longer.
  connectTimeout: "5 minutes",
  // A claim of many cards returns their bodies in one message.
  maxMessageSize
} as const

/**
 * Removes the server from the attributes of a client's spans: an embedded database has none, and the client of
 * `@effect/sql-pg` otherwise names `localhost` and 5432. All statements and transactions of a client share the attributes.
 */
const withoutServer = (client: PgClient.PgClient): PgClient.PgClient => {
  const { spanAttributes } = client`SELECT 1` as unknown as {
    readonly spanAttributes: Array<readonly [string, unknown]>
  }
  const kept = spanAttributes.filter(([name]) => !name.startsWith("server."))
  spanAttributes.splice(0, spanAttributes.length, ...kept)
  return client
}

const inMemory = Effect.flatMap(newDatabaseFiles, (newFiles) => makeMemoryClient({ newFiles }))

/**
 * A client of a database in memory that starts with the files that `newFiles` returns, or else is created with `initdb`.
 * `onClosed` receives the files of the database when the scope has closed it.
 */
export const makeMemoryClient = Effect.fnUntraced(function* (options: {
  readonly newFiles: () => Promise<DatabaseFiles | undefined>
  readonly onClosed?: ((files: DatabaseFiles) => void) | undefined
}) {
  const engine = yield* Effect.acquireRelease(
    Effect.tryPromise({
      try: async () => PgliteEngine.openInMemory(await options.newFiles(), options.onClosed),
      catch: (cause) =>
        new SqlError.SqlError({
          reason: new SqlError.ConnectionError({ cause, message: "PGlite does not start", operation: "connect" })
        })
    }),
    closeEngine
  )
  const pooler = new TransactionPooler(engine, { idleMillis: 0, onCrash: () => undefined })
  const peer = { _tag: "Engine", pooler, program: {} } as const
  return withoutServer(
    yield* PgClient.makeClient({ ...connection, stream: () => new SessionStream(() => Promise.resolve(peer)) })
  )
})

const inDirectory = Effect.fnUntraced(function* (dataDir: string, wait: Duration.Input | undefined, create: boolean) {
  const config = {
    ...connection,
    stream: yield* openSharedDirectory(dataDir, wait, create),
    // More connections would share the same session.
    maxConnections: 1,
    idleTimeout: "10 minutes",
    acquireForStream: true
  } as const
  const client = withoutServer(yield* PgClient.make(config))
  // A listener gets a connection of its own: it must not occupy the only one of the pool.
  return Object.assign(client, {
    listen: (channel: string) => Effect.flatMap(PgConnection.make(config), (listener) => listener.listen(channel))
  })
})
