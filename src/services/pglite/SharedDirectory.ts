import { Effect, Exit, Scope, Semaphore, type Duration } from "effect"
import { resolve } from "node:path"
import { BacklogMissing, createHint } from "../schema/BacklogOpening.ts"
import {
  createDatabase,
  hasDatabase,
  holdsBacklog,
  createDirectory,
  openDatabase,
  refuseForeignDirectory
} from "./databaseDirectory.ts"
import { restrictDatabase, restrictDirectory, refuseOtherOwner } from "./directoryPermissions.ts"
import { formatFileCount } from "../files/DirectoryAccess.ts"
import { lockDirectoryOrElse } from "./DirectoryLock.ts"
import { DirectoryLocked, DirectoryLost, DirectoryUnusable, OnDirectoryLost } from "../files/directoryErrors.ts"
import { serveDirectory } from "./DirectoryServer.ts"
import { findSocketProblem } from "./directorySocket.ts"
import { explainFileError } from "../files/fileErrors.ts"
import { type DirectoryOwnership, ownershipCheckMillis } from "./DirectoryOwnership.ts"
import { HolderConnection } from "./HolderConnection.ts"
import type { PgliteEngine } from "./PgliteEngine.ts"
import { type Peer, SessionStream } from "./SessionStream.ts"
import { TransactionPooler } from "./TransactionPooler.ts"

/** How long a transaction of another process may be idle while somebody waits for it to end. */
const idleMillis = 30_000

/** The directory while this process holds it. */
interface Holding {
  readonly turns: TransactionPooler
  readonly scope: Scope.Closeable
  crashed: boolean
}

/**
 * A database in a directory that several processes use at once: the first holds it and serves the others. Gives
 * connections, each to this process's engine or to the holder's, whichever it is at that moment: after the holder ended,
 * the next connection makes this process the holder, or finds another.
 *
 * Has the directory, or a holder that serves it, when it is made. Unless it may `create` a database, it fails with
 * `BacklogMissing` where there is none, and writes nothing.
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
  const one = yield* Semaphore.make(1)
  const run = Effect.runPromiseWith(yield* Effect.context())
  const onLost = yield* OnDirectoryLost
  const program = {}
  let holding: Holding | undefined
  let found: HolderConnection | undefined
  let isEnded = false
  /** Later a missing database was removed, and must not be replaced by an empty one. */
  let isFirst = true
  /** Set when this process held the directory and lost it: what is in that place now is not what it worked on. */
  let lost: DirectoryLost | undefined

  /** Whether the database's folder was open to other users. */
  let wasOpen = false

  const letGo = (exit: Exit.Exit<unknown, unknown>) =>
    Effect.suspend(() => {
      const held = holding
      holding = undefined
      return held === undefined ? Effect.void : Scope.close(held.scope, exit)
    })

  const attempt = <A>(work: () => Promise<A>): Effect.Effect<A, DirectoryUnusable> =>
    Effect.tryPromise({
      try: work,
      catch: (cause) =>
        cause instanceof DirectoryUnusable
          ? cause
          : new DirectoryUnusable({
              directory,
              reason:
                cause instanceof DirectoryLost
                  ? `it was lost while it was opened: ${cause.reason}`
                  : explainFileError(cause),
              cause
            })
    })

  const missing = () => new BacklogMissing({ place: directory, schema: null, toDo: createHint })

  const open = Effect.fnUntraced(function* (scope: Scope.Closeable, held: DirectoryOwnership) {
    // A process that was killed can have left a lock and no database.
    if (!create && !(yield* attempt(() => hasDatabase(directory)))) return yield* missing()
    // Not interruptible: the lock must not be let go while PGlite is at work in the directory.
    if (isFirst) yield* Effect.uninterruptible(attempt(() => createDatabase(directory, held)))
    const closed = yield* attempt(async () => restrictDatabase(directory, held, wasOpen))
    wasOpen = false
    if (closed > 0) yield* Effect.logWarning(openedByOthers(directory, closed))
    const engine = yield* Effect.acquireRelease(
      attempt(() => openDatabase(directory, held)),
      (opened) => closeEngine(opened)
    )
    const turns = yield* Effect.acquireRelease(
      Effect.sync(
        () =>
          new TransactionPooler(engine, {
            idleMillis,
            onCrash: (error) => {
              if (error instanceof DirectoryLost && lost === undefined) {
                lost = error
                onLost(error)
              }
              if (holding !== undefined) holding.crashed = true
              void run(
                one.withPermit(Effect.suspend(() => (holding?.crashed === true ? letGo(Exit.void) : Effect.void)))
              )
            }
          })
      ),
      (made) => Effect.promise(() => made.close())
    )
    yield* Effect.acquireRelease(
      // Also a holder that has nothing to do releases a directory that was moved, and tells those that it serves.
      Effect.sync(() => setInterval(() => turns.checkEngine(), ownershipCheckMillis).unref()),
      (timer) => Effect.sync(() => clearInterval(timer))
    )
    yield* serveDirectory(directory, turns, held)
    holding = { turns, scope, crashed: false }
    return holding
  })

  const find: Effect.Effect<Peer, BacklogMissing | DirectoryLocked | DirectoryLost | DirectoryUnusable> =
    one.withPermit(
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          // In a scope that is closed already, the lock would be let go as soon as it is taken.
          if (isEnded) return yield* Effect.die(new Error(`the layer of ${directory} is closed`))
          if (holding?.crashed === true) yield* letGo(Exit.void)
          if (lost !== undefined) return yield* lost
          if (holding !== undefined) return { _tag: "Engine", pooler: holding.turns, program } as const
          const scope = yield* Scope.make()
          const outcome = yield* Effect.gen(function* () {
            const taken = yield* lockDirectoryOrElse(directory, {
              wait,
              unless: HolderConnection.open(directory)
            }).pipe(Effect.catchTag("DirectoryLocked", (locked) => Effect.flatMap(unshared(locked), Effect.fail)))
            if (taken._tag === "Other") return { _tag: "Holder", connection: taken.other } as const
            const { turns } = yield* open(scope, taken.held)
            return { _tag: "Engine", pooler: turns, program } as const
          }).pipe(
            restore,
            Scope.provide(scope),
            Effect.onExit((exit) => (Exit.isFailure(exit) ? Scope.close(scope, exit) : Effect.void))
          )
          if (outcome._tag === "Holder") yield* Scope.close(scope, Exit.void)
          return outcome
        })
      )
    )

  // Checked before the lock puts a file there.
  yield* attempt(() => refuseOtherOwner(directory))
  yield* attempt(() => refuseForeignDirectory(directory))
  if (create) yield* attempt(() => createDirectory(directory))
  else if (!(yield* attempt(() => holdsBacklog(directory)))) return yield* missing()
  wasOpen = yield* attempt(() => restrictDirectory(directory))
  yield* Effect.addFinalizer((exit) =>
    Effect.suspend(() => {
      isEnded = true
      found?.close()
      return one.withPermit(letGo(exit))
    })
  )
  const first = yield* Effect.catchTag(find, "DirectoryLost", ({ reason }) =>
    Effect.fail(new DirectoryUnusable({ directory, reason: `it was lost while it was opened: ${reason}` }))
  )
  isFirst = false
  if (first._tag === "Holder") found = first.connection

  return () =>
    new SessionStream((signal) => {
      const ready = found
      found = undefined
      if (ready?.isOpen === true) return Promise.resolve({ _tag: "Holder", connection: ready })
      return run(find, { signal })
    })
})

/** Adds to an error why the holder does not share the directory, where the places for its socket tell. */
const unshared = (locked: DirectoryLocked): Effect.Effect<DirectoryLocked> =>
  Effect.map(
    Effect.promise(() => findSocketProblem(locked.directory).catch(() => undefined)),
    (notShared) => {
      const { directory, hostname, lockFile, pid, waitedSeconds } = locked
      return notShared === undefined
        ? locked
        : new DirectoryLocked({ directory, hostname, lockFile, pid, waitedSeconds, notShared })
    }
  )

const openedByOthers = (directory: string, count: number): string =>
  `Other users of this machine had rights to ${formatFileCount(count)} in ${directory}. They have none now. If others could enter ` +
  "the directory, they could read all of it, and change it: check the log against an anchor that was kept elsewhere " +
  "(`backlog verify --anchor-file`)."

/** Closes an engine, as well as that goes. */
export const closeEngine = (engine: PgliteEngine): Effect.Effect<void> =>
  Effect.tryPromise(() => engine.close()).pipe(
    Effect.catch((error) => Effect.logWarning("PGlite did not close cleanly; nothing answered is lost.", error))
  )
