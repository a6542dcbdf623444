import { PgClient, PgConnection } from "@effect/sql-pg"
import { type Duration, Effect, type Layer } from "effect"
import { type SqlClient, SqlError } from "effect/sql"
import type { BacklogMissing, Opening } from "../schema/BacklogOpening.ts"
import type { DirectoryLocked, DirectoryUnusable } from "../files/directoryErrors.ts"
import { PgliteEngine } from "./PgliteEngine.ts"
import { SessionStream } from "./SessionStream.ts"
import { TransactionPooler } from "./TransactionPooler.ts"
import { closeEngine, openSharedDirectory } from "./SharedDirectory.ts"

/**
 * An embedded Postgres, in memory, or in the directory `dataDir`, which is made if it is missing. Several processes of
 * one user may use a directory at once: one of them holds it, and serves the others over a Unix socket in the directory
 * that only that user can reach. When it ends, however it ends, the next that has something to do takes over. Where
 * there are no such sockets (Windows), or the holder does not answer, one process waits for the other, up to `lockWait`, which
 * defaults to 10 seconds.
 *
 * Every file and folder is created for this user only, whatever the umask is. A directory that other users can enter is
 * closed, with a warning in the log when its database was open.
 *
 * Creating a database takes some seconds, opening one half a second. A process that is killed at any moment leaves a
 * directory that the next one can open, with every transaction that was answered; a power failure may cost more, since
 * PGlite never asks the disk to write. There is one session, in which transactions and single statements of all
 * processes take turns: what one sets for its session, and its temporary tables, last until another's turn at most, as
 * behind a pooler in transaction mode. A transaction of a served process that says nothing for 30 seconds while others
 * wait is rolled back, and its connection ended.
 *
 * Fails with `DirectoryLocked` when another process holds the directory and does not serve this one, with
 * `DirectoryUnusable` when it or a file in it belongs to another user, when it holds something else, a database of another
 * version or a damaged one, or cannot be written or closed to other users, and with `SqlError` when the engine does not
 * start. When the holder ends or the engine crashes later, the
 * statements at hand fail with a connection error, and the next go on with a new one; a database in memory is lost then.
 * Closing the layer lets served processes end what they are at, for 10 seconds at most, writes everything and then lets
 * go of the directory.
 */
export const layerPgliteClient = (
  options: {
    readonly dataDir?: string | undefined
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
  // Nothing can get lost on the way; a process that is busy elsewhere only takes longer.
  connectTimeout: "5 minutes"
} as const

const inMemory = Effect.gen(function* () {
  const engine = yield* Effect.acquireRelease(
    Effect.tryPromise({
      try: () => PgliteEngine.open(undefined),
      catch: (cause) =>
        new SqlError.SqlError({
          reason: new SqlError.ConnectionError({ cause, message: "PGlite does not start", operation: "connect" })
        })
    }),
    closeEngine
  )
  const turns = new TransactionPooler(engine, { idleMillis: 0, onCrash: () => undefined })
  const peer = { _tag: "Engine", pooler: turns, program: {} } as const
  return yield* PgClient.makeClient({ ...connection, stream: () => new SessionStream(() => Promise.resolve(peer)) })
})

const inDirectory = Effect.fnUntraced(function* (dataDir: string, wait: Duration.Input | undefined, create: boolean) {
  const config = {
    ...connection,
    stream: yield* openSharedDirectory(dataDir, wait, create),
    // All of them would lead to one session.
    maxConnections: 1,
    idleTimeout: "10 minutes",
    acquireForStream: true
  } as const
  const client = yield* PgClient.make(config)
  // On a connection beside: whoever listens shall not keep the only one.
  return Object.assign(client, {
    listen: (channel: string) => Effect.flatMap(PgConnection.make(config), (beside) => beside.listen(channel))
  })
})
