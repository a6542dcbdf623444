import { Duration, Effect, Option, type Scope } from "effect"
import { randomBytes } from "node:crypto"
import { join } from "node:path"
import { DirectoryLocked, DirectoryUnusable } from "../files/directoryErrors.ts"
import { explainFileError } from "../files/fileErrors.ts"
import { DirectoryOwnership } from "./DirectoryOwnership.ts"
import {
  isInPlace,
  type OpenLivenessSocket,
  openLivenessSocket,
  probeLivenessSocket,
  readFileIdentity
} from "./LivenessSocket.ts"
import {
  acquireLockFile,
  type CurrentHolder,
  findHolder,
  Holder,
  holderPath,
  isLockOf,
  lockFileName,
  removeLockFile,
  UnreadableLock
} from "./lockFiles.ts"
import { currentProcess, isSameBoot, readCpuMillis } from "./ProcessIdentity.ts"

const defaultWait: Duration.Input = "10 seconds"

/** The longest wait for one holder that makes progress, as a multiple of the wait for one that makes none. */
const maxWaitFactor = 12

/** The processor time that counts as progress, as a share of the wait, and the least of it in milliseconds. */
const progressShare = 0.005
const minProgressMillis = 20

const pollMillis = 50

/** The least time that the alternative to the lock gets, in milliseconds, also when the wait is over. */
const minAlternativeMillis = 1_000

/** How long a lock file may be unreadable, in milliseconds: without hard links it is empty for a moment. */
const unreadableMillis = 1_000

/**
 * Locks a directory for this process, and within the process for this scope, until the scope closes. The directory must
 * exist. `lockFiles.ts` describes the protocol.
 *
 * Waits while another process holds the directory, can be interrupted, and fails with `DirectoryLocked` when the holder makes
 * no progress for as long as `wait`. For a holder that makes progress, by the processor time that it uses, the wait is
 * up to twelve times as long. `wait` defaults to 10 seconds. A holder that has ended never blocks the lock. A holder
 * that cannot be checked from here counts as running. Fails with `DirectoryUnusable` when the directory cannot be
 * written, or when its lock file is not a lock.
 */
export const lockDirectory = (
  directory: string,
  options: { readonly wait?: Duration.Input | undefined } = {}
): Effect.Effect<DirectoryOwnership, DirectoryLocked | DirectoryUnusable, Scope.Scope> =>
  Effect.map(lockDirectoryOrElse(directory, { ...options, orElse: Effect.succeedNone }), (outcome) => {
    if (outcome._tag === "Locked") return outcome.ownership
    throw new Error("an alternative to the lock was used, and there is none")
  })

/** The ownership of a directory that is now locked, or what was used in place of it. */
export type LockOutcome<A> =
  | { readonly _tag: "Locked"; readonly ownership: DirectoryOwnership }
  | { readonly _tag: "Alternative"; readonly value: A }

/**
 * As `lockDirectory`, but tries `orElse` each time that another process holds the directory. When `orElse` succeeds
 * with a value, that is the outcome, and nothing is locked. It may take as long as the rest of the wait, and at least
 * one second.
 */
export const lockDirectoryOrElse = <A>(
  directory: string,
  options: { readonly wait?: Duration.Input | undefined; readonly orElse: Effect.Effect<Option.Option<A>> }
): Effect.Effect<LockOutcome<A>, DirectoryLocked | DirectoryUnusable, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const wait = Duration.toMillis(Duration.fromInputUnsafe(options.wait ?? defaultWait))
      const waiting = new HolderWait(directory, wait)
      let lock: AcquiredLock | undefined
      while (lock === undefined) {
        const outcome = yield* Effect.tryPromise({
          try: () => tryToLock(directory),
          catch: (cause) => new DirectoryUnusable({ directory, reason: explainFileError(cause), cause })
        })
        // Another process was faster: the next attempt finds it.
        if (outcome === "overtaken") continue
        if (outcome instanceof UnreadableLock) {
          if (waiting.isUnreadableForTooLong()) {
            return yield* new DirectoryUnusable({ directory, reason: outcome.message })
          }
        } else if ("holder" in outcome) {
          yield* Effect.promise(() => waiting.startFor(outcome))
          const left = Math.max(waiting.leftMillis, minAlternativeMillis)
          const alternative = yield* restore(Effect.timeoutOption(options.orElse, left))
          if (Option.isSome(alternative) && Option.isSome(alternative.value)) {
            return { _tag: "Alternative", value: alternative.value.value }
          }
          if (yield* Effect.promise(() => waiting.isExpired(outcome))) {
            const { hostname, pid } = outcome.holder
            const lockFile = outcome.isRunning ? null : outcome.path
            return yield* new DirectoryLocked({ directory, pid, hostname, waitedSeconds: waiting.seconds, lockFile })
          }
        } else lock = outcome
        if (lock === undefined) yield* restore(Effect.sleep(Math.max(1, Math.min(pollMillis, waiting.leftMillis))))
      }
      const { ownership, self, socket } = lock
      yield* Effect.addFinalizer(() =>
        Effect.tryPromise(() => release(directory, self, ownership)).pipe(
          Effect.catch((error) =>
            Effect.annotateLogs(
              Effect.logWarning(`The lock of ${directory} was not removed; it ends with this process.`),
              { error }
            )
          ),
          // Last: a closed liveness socket says that this process writes nothing more.
          Effect.andThen(Effect.promise(async () => socket?.close()))
        )
      )
      return { _tag: "Locked", ownership }
    })
  )

/** How long this process has waited, and for which holder. */
class HolderWait {
  private readonly directory: string
  private readonly waitMillis: number
  private nonce: string | undefined
  private startedAt = performance.now()
  private lastProgressAt = this.startedAt
  private cpuMillis: number | undefined
  private unreadableSince: number | undefined

  constructor(directory: string, waitMillis: number) {
    this.directory = directory
    this.waitMillis = waitMillis
  }

  /** Starts to wait for a holder, unless it is the one that is waited for. */
  async startFor({ holder }: CurrentHolder): Promise<void> {
    this.unreadableSince = undefined
    if (this.nonce === holder.nonce) return
    // The time before the first holder counts for that holder: its lock file may have been unreadable.
    if (this.nonce !== undefined) this.startedAt = this.lastProgressAt = performance.now()
    this.nonce = holder.nonce
    this.cpuMillis = await readCpuMillis(holder)
  }

  get leftMillis(): number {
    return this.waitMillis - (performance.now() - this.lastProgressAt)
  }

  get seconds(): number {
    return Math.round((performance.now() - this.startedAt) / 100) / 10
  }

  /** Whether the holder made no progress for the whole wait, or has taken the longest wait. */
  async isExpired({ holder }: CurrentHolder): Promise<boolean> {
    if (this.leftMillis > 0) return false
    if (this.waitMillis === 0 || performance.now() - this.startedAt >= this.waitMillis * maxWaitFactor) return true
    if (!(await this.hasProgressed(holder))) return true
    this.lastProgressAt = performance.now()
    return false
  }

  isUnreadableForTooLong(): boolean {
    const now = performance.now()
    this.unreadableSince ??= now
    return now - this.startedAt >= this.waitMillis || now - this.unreadableSince >= unreadableMillis
  }

  private async hasProgressed(holder: Holder): Promise<boolean> {
    const before = this.cpuMillis
    this.cpuMillis = await readCpuMillis(holder)
    if (before !== undefined && this.cpuMillis !== undefined) {
      return this.cpuMillis - before >= Math.max(minProgressMillis, this.waitMillis * progressShare)
    }
    // The processor time of a process in another container is not visible, but a process that is not stopped answers.
    return (
      holder.lifeSign !== undefined &&
      (await isSameBoot(holder)) &&
      (await probeLivenessSocket(this.directory, holder.lifeSign, true)) === "answering"
    )
  }
}

interface AcquiredLock {
  readonly self: Holder
  readonly socket: OpenLivenessSocket | undefined
  readonly ownership: DirectoryOwnership
}

const tryToLock = async (directory: string): Promise<AcquiredLock | "overtaken" | CurrentHolder | UnreadableLock> => {
  try {
    const found = await findHolder(directory)
    if (typeof found !== "string") return found
    return (await acquire(directory, found)) ?? "overtaken"
  } catch (error) {
    if (error instanceof UnreadableLock) return error
    throw error
  }
}

/** Acquires the lock with a liveness socket that is open before the lock exists, and after it was removed. */
const acquire = async (directory: string, path: string): Promise<AcquiredLock | undefined> => {
  const nonce = randomBytes(16).toString("hex")
  const socket = await openLivenessSocket(holderPath(directory, nonce))
  try {
    const self = new Holder({
      ...(await currentProcess()),
      nonce,
      place: await readFileIdentity(directory),
      ...(socket === undefined ? {} : { lifeSign: socket.identity })
    })
    if (await acquireLockFile(directory, path, self)) {
      // A holder that removed leftovers before anything had connected to this socket took it for one of an ended
      // process.
      if (socket === undefined || (await isInPlace(directory, socket.identity))) {
        const ownership = new DirectoryOwnership(directory, join(directory, lockFileName), (text) =>
          isLockOf(text, nonce)
        )
        return { self, socket, ownership }
      }
      await release(directory, self, undefined)
    }
  } catch (error) {
    await socket?.close()
    throw error
  }
  await socket?.close()
  return undefined
}

/**
 * Removes the lock file if it is this holder's, also from a directory that was moved, where the system reports its
 * path.
 */
const release = async (
  directory: string,
  { nonce }: Holder,
  ownership: DirectoryOwnership | undefined
): Promise<void> => {
  try {
    await removeLockFile(directory, nonce)
    if (ownership?.currentPath !== undefined) await removeLockFile(ownership.currentPath, nonce)
  } finally {
    ownership?.close()
  }
}
