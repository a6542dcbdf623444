import { type Duration, Effect, Exit, Scope, Semaphore } from "effect"
import { resolve } from "node:path"
import { formatFileCount } from "../files/DirectoryAccess.ts"
import {
  attemptIn,
  DirectoryLocked,
  DirectoryLost,
  DirectoryUnusable,
  OnDirectoryLost
} from "../files/directoryErrors.ts"
import { BacklogMissing, createHint } from "../schema/BacklogOpening.ts"
import {
  createDatabase,
  createDirectory,
  hasDatabase,
  holdsBacklog,
  openDatabase,
  refuseForeignDirectory
} from "./databaseDirectory.ts"
import { lockDirectoryOrElse } from "./DirectoryLock.ts"
import { type DirectoryOwnership, ownershipCheckMillis } from "./DirectoryOwnership.ts"
import { refuseOtherOwner, restrictDatabase, restrictDirectory } from "./directoryPermissions.ts"
import { serveDirectory } from "./DirectoryServer.ts"
import { findSocketProblem } from "./directorySocket.ts"
import { HolderConnection } from "./HolderConnection.ts"
import { newDatabaseFiles } from "./NewDatabase.ts"
import { closeEngine } from "./PgliteEngine.ts"
import { type Peer, SessionStream } from "./SessionStream.ts"
import { TransactionPooler } from "./TransactionPooler.ts"

/** How long a transaction of another process may be idle while other clients wait, in milliseconds. */
const idleMillis = 30_000

/** The database of a directory that this process holds. */
interface OpenDatabase {
  readonly pooler: TransactionPooler
  readonly scope: Scope.Closeable
  hasCrashed: boolean
}

/**
 * Opens a database in a directory that several processes share (decision 16). The first process locks the directory,
 * opens the database and serves the others. Returns a function that makes a connection to the engine of this process,
 * or to the process that holds the directory. When that process has ended, the next connection makes this process the
 * holder, or finds another one.
 *
 * The directory is locked, or a holder is connected, when the effect succeeds. Without `create`, fails with
 * `BacklogMissing` where there is no database, and writes nothing.
 */
export const openSharedDirectory = Effect.fnUntraced(function* (
  dataDir: string,
  wait: Duration.Input | undefined,
  create = true
): Effect.fn.Return<() => SessionStream, BacklogMissing | DirectoryLocked | DirectoryUnusable, Scope.Scope> {
  if (dataDir.includes("://")) {
    return yield* new DirectoryUnusable({
      directory: "(a URL)",
      reason: "it is a URL, which may have a password in it: give a directory, or use layerPostgres"
    })
  }
  const directory = resolve(dataDir)
  const mutex = yield* Semaphore.make(1)
  const run = Effect.runPromiseWith(yield* Effect.context())
  const onLost = yield* OnDirectoryLost
  const newFiles = yield* newDatabaseFiles
  const program = {}
  let database: OpenDatabase | undefined
  /** The connection that was opened before the first stream. */
  let firstConnection: HolderConnection | undefined
  let isClosed = false
  /** Whether a missing database may be created: later, one that is missing was removed and must not be replaced. */
  let isFirst = true
  /** Set when this process has lost the directory: the directory at that path is now another one. */
  let lost: DirectoryLost | undefined
  /** Whether other users could enter the database's folder. */
  let wasOpen = false

  const closeDatabase = (exit: Exit.Exit<unknown, unknown>) =>
    Effect.suspend(() => {
      const closing = database
      database = undefined
      return closing === undefined ? Effect.void : Scope.close(closing.scope, exit)
    })

  const attempt = <A>(work: () => Promise<A>): Effect.Effect<A, DirectoryUnusable> => attemptIn(directory, work)

  const missing = () => new BacklogMissing({ place: directory, schema: null, toDo: createHint })

  const open = Effect.fnUntraced(function* (scope: Scope.Closeable, ownership: DirectoryOwnership) {
    // A process that was killed can have left a lock and no database.
    if (!create && !(yield* attempt(() => hasDatabase(directory)))) return yield* missing()
    // Not interruptible: the lock must not be released while PGlite writes to the directory.
    if (isFirst) yield* Effect.uninterruptible(attempt(() => createDatabase(directory, ownership, newFiles)))
    const restricted = yield* attempt(async () => restrictDatabase(directory, ownership, wasOpen))
    wasOpen = false
    if (restricted > 0) yield* Effect.logWarning(accessWarning(directory, restricted))
    const engine = yield* Effect.acquireRelease(
      attempt(() => openDatabase(directory, ownership)),
      (opened) => closeEngine(opened)
    )
    const onCrash = (error: Error) => {
      if (error instanceof DirectoryLost && lost === undefined) {
        lost = error
        onLost(error)
      }
      if (database !== undefined) database.hasCrashed = true
      void run(
        mutex.withPermit(Effect.suspend(() => (database?.hasCrashed === true ? closeDatabase(Exit.void) : Effect.void)))
      )
    }
    const pooler = yield* Effect.acquireRelease(
      Effect.sync(() => new TransactionPooler(engine, { idleMillis, onCrash })),
      (opened) => Effect.promise(() => opened.close())
    )
    yield* Effect.acquireRelease(
      // An idle holder must also release a directory that was moved, and tell the processes that it serves.
      Effect.sync(() => setInterval(() => pooler.checkEngine(), ownershipCheckMillis).unref()),
      (timer) => Effect.sync(() => clearInterval(timer))
    )
    yield* serveDirectory(directory, pooler, ownership)
    database = { pooler, scope, hasCrashed: false }
    return database
  })

  const findPeer: Effect.Effect<Peer, BacklogMissing | DirectoryLocked | DirectoryLost | DirectoryUnusable> =
    mutex.withPermit(
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          // The scope of the layer is closed: a lock would be released as soon as it is acquired.
          if (isClosed) return yield* Effect.die(new Error(`the layer of ${directory} is closed`))
          if (database?.hasCrashed === true) yield* closeDatabase(Exit.void)
          if (lost !== undefined) return yield* lost
          if (database !== undefined) return { _tag: "Engine", pooler: database.pooler, program } as const
          const scope = yield* Scope.make()
          const peer = yield* Effect.gen(function* () {
            const outcome = yield* lockDirectoryOrElse(directory, {
              wait,
              orElse: HolderConnection.open(directory)
            }).pipe(Effect.catchTag("DirectoryLocked", (locked) => Effect.flatMap(explainSharing(locked), Effect.fail)))
            if (outcome._tag === "Alternative") return { _tag: "Holder", connection: outcome.value } as const
            const { pooler } = yield* open(scope, outcome.ownership)
            return { _tag: "Engine", pooler, program } as const
          }).pipe(
            restore,
            Scope.provide(scope),
            Effect.onExit((exit) => (Exit.isFailure(exit) ? Scope.close(scope, exit) : Effect.void))
          )
          if (peer._tag === "Holder") yield* Scope.close(scope, Exit.void)
          return peer
        })
      )
    )

  // Checked before the lock creates a file in the directory.
  yield* attempt(() => refuseOtherOwner(directory))
  yield* attempt(() => refuseForeignDirectory(directory))
  if (create) yield* attempt(() => createDirectory(directory))
  else if (!(yield* attempt(() => holdsBacklog(directory)))) return yield* missing()
  wasOpen = yield* attempt(() => restrictDirectory(directory))
  yield* Effect.addFinalizer((exit) =>
    Effect.suspend(() => {
      isClosed = true
      firstConnection?.close()
      return mutex.withPermit(closeDatabase(exit))
    })
  )
  const first = yield* Effect.catchTag(findPeer, "DirectoryLost", ({ reason }) =>
    Effect.fail(new DirectoryUnusable({ directory, reason: `it was lost while it was opened: ${reason}` }))
  )
  isFirst = false
  if (first._tag === "Holder") firstConnection = first.connection

  return () =>
    new SessionStream((signal) => {
      const connection = firstConnection
      firstConnection = undefined
      if (connection?.isOpen === true) return Promise.resolve({ _tag: "Holder", connection })
      return run(findPeer, { signal })
    })
})

/** Adds to an error why the holder does not share the directory, where the places for its socket tell. */
const explainSharing = (locked: DirectoryLocked): Effect.Effect<DirectoryLocked> =>
  Effect.map(
    Effect.promise(() => findSocketProblem(locked.directory).catch(() => undefined)),
    (notShared) => {
      const { directory, hostname, lockFile, pid, waitedSeconds } = locked
      return notShared === undefined
        ? locked
        : new DirectoryLocked({ directory, hostname, lockFile, pid, waitedSeconds, notShared })
    }
  )

const accessWarning = (directory: string, count: number): string =>
  `Other users of this machine had rights to ${formatFileCount(count)} in ${directory}. They have none now. If others could enter ` +
  "the directory, they could read all of it, and change it: check the log against an anchor that was kept elsewhere " +
  "(`backlog verify --anchor-file`)."
