import { Duration, Effect, Option, Schema, type Scope } from "effect"
import { randomBytes } from "node:crypto"
import { closeSync, fchmodSync, openSync, writeSync } from "node:fs"
import { link, open, readdir, readFile, rename, unlink } from "node:fs/promises"
import { join } from "node:path"
import { fileErrorCode, explainFileError } from "../files/fileErrors.ts"
import { DirectoryLocked, DirectoryUnusable } from "../files/directoryErrors.ts"
import { DirectoryOwnership } from "./DirectoryOwnership.ts"
import {
  FileIdentity,
  isAbandonedLivenessSocket,
  readFileIdentity,
  isInPlace,
  isLivenessSocketName,
  probeLivenessSocket,
  LivenessSocket,
  type OpenLivenessSocket,
  openLivenessSocket
} from "./LivenessSocket.ts"
import { setPrivateMode, privateFileMode } from "../files/privateFiles.ts"
import { readCpuMillis, isSameBoot, currentProcess, ProcessIdentity, checkProcess } from "./ProcessIdentity.ts"

/** The file that says which process holds a directory. Successors of dead holders add their own names to it. */
export const lockFileName = "backlog.lock"

/** How long to wait for a holder that makes no progress. */
const defaultWait: Duration.Input = "10 seconds"

/** How many times as long to wait, in total, for one holder that makes progress. */
const slowFactor = 12

/** The processor time that counts as progress, as a share of the wait, and in milliseconds at least. */
const progressShare = 0.005
const leastProgressMillis = 20

const pollMillis = 50

/** How long another way than to hold the directory may take, also when nothing is left to wait. */
const leastTryMillis = 1_000

/** Where hard links do not exist, a lock file is empty for a moment before it is written: only longer is an error. */
const unreadableGraceMillis = 1_000

/**
 * Who holds, or held, a directory. The nonce, part of a file name, tells apart two times that one process held it. Older
 * versions write neither the life sign nor the directory's identity.
 */
class Holder extends Schema.Class<Holder>("Holder")({
  ...ProcessIdentity.fields,
  nonce: Schema.String.check(Schema.isPattern(/^[0-9a-f]{32}$/)),
  /** The socket that the holder listens on until after its last write. */
  lifeSign: Schema.optional(LivenessSocket),
  /** The directory that it holds: a copy of the directory has a copy of the lock file. */
  place: Schema.optional(FileIdentity)
}) {}

const HolderText = Schema.fromJsonString(Holder)
const decodeHolder = Schema.decodeUnknownOption(HolderText)
const encodeHolder = Schema.encodeSync(HolderText)

/**
 * Holds a directory for this process alone until the scope closes; within the process, for this scope alone. Waits
 * `wait` (interruptibly) for each holder that lives and makes no progress, and then fails with `DirectoryLocked`. For a
 * holder that makes progress, by the processor time that it uses, it waits up to twelve times as long. Defaults to 10
 * seconds. A holder that died, however it died, blocks no one. One that cannot be checked from here counts as living. The
 * directory must exist; fails with `DirectoryUnusable` when it cannot be written or its lock file holds something else.
 *
 * The holder is the end of a chain of files: `backlog.lock` names the first, and the successor of a dead holder is the
 * process that creates `backlog.lock.NONCE` with that holder's nonce. Creating is atomic, so every dead holder has one
 * successor at most. docs/decisions/0003 has the reasoning.
 */
export const lockDirectory = (
  directory: string,
  options: { readonly wait?: Duration.Input | undefined } = {}
): Effect.Effect<DirectoryOwnership, DirectoryLocked | DirectoryUnusable, Scope.Scope> =>
  Effect.map(lockDirectoryOrElse(directory, { ...options, unless: Effect.succeedNone }), (outcome) => {
    if (outcome._tag === "Held") return outcome.held
    throw new Error("a way that does not exist was found")
  })

/** The directory, held; or the other way. */
export type LockOutcome<A> =
  | { readonly _tag: "Held"; readonly held: DirectoryOwnership }
  | { readonly _tag: "Other"; readonly other: A }

/**
 * As `holdDirectory`, unless there is another way: `unless` is tried each time that another process is seen to hold the
 * directory, and when it gives something, that is the answer, and nothing is held. It may take as long as is left to
 * wait for this holder, and a second if nothing is.
 */
export const lockDirectoryOrElse = <A>(
  directory: string,
  options: { readonly wait?: Duration.Input | undefined; readonly unless: Effect.Effect<Option.Option<A>> }
): Effect.Effect<LockOutcome<A>, DirectoryLocked | DirectoryUnusable, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const wait = Duration.toMillis(Duration.fromInputUnsafe(options.wait ?? defaultWait))
      const waiting = new Waiting(directory, wait)
      let held: Held | undefined
      while (held === undefined) {
        const outcome = yield* Effect.tryPromise({
          try: () => tryToHold(directory),
          catch: (cause) => new DirectoryUnusable({ directory, reason: explainFileError(cause), cause })
        })
        // When another process was faster, the next attempt finds out which.
        if (outcome === "lost") continue
        if (outcome instanceof UnreadableLock) {
          if (waiting.isUnreadableFor(wait)) {
            return yield* new DirectoryUnusable({ directory, reason: outcome.message })
          }
        } else if ("holder" in outcome) {
          yield* Effect.promise(() => waiting.meet(outcome))
          const left = Math.max(waiting.left, leastTryMillis)
          const other = yield* restore(Effect.timeoutOption(options.unless, left))
          if (Option.isSome(other) && Option.isSome(other.value)) return { _tag: "Other", other: other.value.value }
          if (yield* Effect.promise(() => waiting.isOver(outcome))) {
            const { hostname, pid } = outcome.holder
            const lockFile = outcome.seen ? null : outcome.path
            return yield* new DirectoryLocked({ directory, pid, hostname, waitedSeconds: waiting.seconds, lockFile })
          }
        } else held = outcome
        if (held === undefined) yield* restore(Effect.sleep(Math.max(1, Math.min(pollMillis, waiting.left))))
      }
      const { guard, self, sign } = held
      yield* Effect.addFinalizer(() =>
        Effect.tryPromise(() => letGo(directory, self, guard)).pipe(
          Effect.catch((error) =>
            Effect.logWarning(`The lock of ${directory} was not removed; it ends with this process.`, error)
          ),
          // Last: a life sign that ends says that nothing more is written.
          Effect.andThen(Effect.promise(async () => sign?.close()))
        )
      )
      return { _tag: "Held", held: guard }
    })
  )

/** How long one process has waited, and for which holder. */
class Waiting {
  private readonly directory: string
  private readonly wait: number
  private holder: string | undefined
  /** Since when it waits for this holder. */
  private began = performance.now()
  /** Since when it sees no progress. */
  private still = this.began
  private cpuMillis: number | undefined
  private unreadableSince: number | undefined

  constructor(directory: string, wait: number) {
    this.directory = directory
    this.wait = wait
  }

  /** Begins to wait for a holder, unless it does already. */
  async meet({ holder }: Busy): Promise<void> {
    this.unreadableSince = undefined
    if (this.holder === holder.nonce) return
    // What it waited for before counts for the first holder: it may have been met after some unreadable file.
    if (this.holder !== undefined) this.began = this.still = performance.now()
    this.holder = holder.nonce
    this.cpuMillis = await readCpuMillis(holder)
  }

  get left(): number {
    return this.wait - (performance.now() - this.still)
  }

  get seconds(): number {
    return Math.round((performance.now() - this.began) / 100) / 10
  }

  /** Whether the wait for the holder is over: it made no progress for as long, or is too slow altogether. */
  async isOver({ holder }: Busy): Promise<boolean> {
    if (this.left > 0) return false
    if (this.wait === 0 || performance.now() - this.began >= this.wait * slowFactor) return true
    if (!(await this.hasProgressed(holder))) return true
    this.still = performance.now()
    return false
  }

  isUnreadableFor(wait: number): boolean {
    const now = performance.now()
    this.unreadableSince ??= now
    return now - this.began >= wait || now - this.unreadableSince >= unreadableGraceMillis
  }

  private async hasProgressed(holder: Holder): Promise<boolean> {
    const before = this.cpuMillis
    this.cpuMillis = await readCpuMillis(holder)
    if (before !== undefined && this.cpuMillis !== undefined) {
      return this.cpuMillis - before >= Math.max(leastProgressMillis, this.wait * progressShare)
    }
    // In another container its processor time cannot be seen, but a holder that is not stopped answers.
    return (
      holder.lifeSign !== undefined &&
      (await isSameBoot(holder)) &&
      (await probeLivenessSocket(this.directory, holder.lifeSign, true)) === "answering"
    )
  }
}

class UnreadableLock extends Error {
  constructor(path: string) {
    super(`its file ${path} is not a lock. If no process uses the directory, delete that file.`)
  }
}

interface Busy {
  readonly holder: Holder
  readonly path: string
  /** Whether the holder was seen running. */
  readonly seen: boolean
}

interface Held {
  readonly self: Holder
  readonly sign: OpenLivenessSocket | undefined
  readonly guard: DirectoryOwnership
}

/** `lost` when another process was faster. */
const tryToHold = async (directory: string): Promise<Held | "lost" | Busy | UnreadableLock> => {
  try {
    const end = await endOfChain(directory)
    if (typeof end !== "string") return end
    return (await takeAlive(directory, end)) ?? "lost"
  } catch (error) {
    if (error instanceof UnreadableLock) return error
    throw error
  }
}

/** Takes the lock, with a life sign that was there before the lock and outlives it. */
const takeAlive = async (directory: string, path: string): Promise<Held | undefined> => {
  const nonce = randomBytes(16).toString("hex")
  const sign = await openLivenessSocket(join(directory, `${lockFileName}-${nonce}`))
  try {
    const self = new Holder({
      ...(await currentProcess()),
      nonce,
      place: await readFileIdentity(directory),
      ...(sign === undefined ? {} : { lifeSign: sign.sign })
    })
    if (await take(directory, path, self)) {
      // A holder that swept between the making of this socket and the first connection to it took it for a dead one's.
      if (sign === undefined || (await isInPlace(directory, sign.sign))) {
        const lock = join(directory, lockFileName)
        const isOwn = (text: string) => Option.exists(decodeHolder(text), (holder) => holder.nonce === nonce)
        return { self, sign, guard: new DirectoryOwnership(directory, lock, isOwn) }
      }
      await letGo(directory, self, undefined)
    }
  } catch (error) {
    await sign?.close()
    throw error
  }
  await sign?.close()
  return undefined
}

/** The holder at the end of the chain, or the name that the next holder is to create. */
const endOfChain = async (directory: string): Promise<Busy | string> => {
  let path = join(directory, lockFileName)
  // One file for each successor that died in the middle of taking over: a longer chain is a circle that somebody made.
  for (let length = 0; length < 10_000; length++) {
    const holder = await read(path)
    if (holder === undefined) return path
    const state = await stateOfHolder(directory, holder)
    if (state !== "ended") return { holder, path, seen: state === "running" }
    path = successorOf(directory, holder)
  }
  throw new UnreadableLock(join(directory, lockFileName))
}

/**
 * Whether a holder still may write to the directory. On one machine, since it was started, that can be told in other ways
 * than by the process: by the socket that the holder closes after its last write, which is the same one in every
 * container that shares the directory, and by the directory that it held.
 */
const stateOfHolder = async (directory: string, holder: Holder): Promise<"running" | "ended" | "unknown"> => {
  const state = await checkProcess(holder)
  if (state === "ended" || !(await isSameBoot(holder))) return state
  if (holder.place !== undefined) {
    const { dev, ino } = await readFileIdentity(directory)
    // On one file system another number is another directory: this one was copied, with its lock file.
    if (dev === holder.place.dev && ino !== holder.place.ino) return "ended"
  }
  const sign = holder.lifeSign === undefined ? "unknown" : await probeLivenessSocket(directory, holder.lifeSign)
  return sign === "unknown" ? state : sign === "ended" ? "ended" : "running"
}

const successorOf = (directory: string, holder: Holder): string => join(directory, `${lockFileName}.${holder.nonce}`)

const take = async (directory: string, path: string, self: Holder): Promise<boolean> => {
  if (!(await create(directory, path, self))) return false
  try {
    if (!(await endsAt(directory, self))) {
      await remove(path)
      return false
    }
    // One step, and nothing to be written: the chain that ended here is this holder alone.
    if (path !== join(directory, lockFileName)) await rename(path, join(directory, lockFileName))
  } catch (error) {
    await remove(path)
    throw error
  }
  await sweep(directory)
  return true
}

/** Whether the chain, read again from its beginning, ends at `self`: if not, the end that was seen was an old one. */
const endsAt = async (directory: string, self: Holder): Promise<boolean> => {
  let path = join(directory, lockFileName)
  while (true) {
    const holder = await read(path)
    if (holder === undefined) return false
    if (holder.nonce === self.nonce) return true
    path = successorOf(directory, holder)
  }
}

const read = async (path: string): Promise<Holder | undefined> => {
  let text: string
  try {
    text = await readFile(path, "utf8")
  } catch (cause) {
    if (fileErrorCode(cause) === "ENOENT") return undefined
    if (fileErrorCode(cause) === "EISDIR") throw new UnreadableLock(path)
    throw cause
  }
  return Option.getOrThrowWith(decodeHolder(text), () => new UnreadableLock(path))
}

const isDraft = (name: string): boolean => name.startsWith(`${lockFileName}-`) && !isLivenessSocketName(name)

/** Creates a file of the chain, with its whole content at once; `false` when somebody else did. */
const create = async (directory: string, path: string, self: Holder): Promise<boolean> => {
  const draft = join(directory, `${lockFileName}-${self.nonce}.draft`)
  const text = encodeHolder(self)
  try {
    while (true) {
      await writeDurably(draft, text)
      try {
        await link(draft, path)
        return true
      } catch (cause) {
        const code = fileErrorCode(cause) ?? ""
        if (code === "EEXIST") return false
        if (noHardLinks.has(code)) return createInPlace(path, text)
        // A holder that swept just now took the half-written draft for a dead process's.
        if (code !== "ENOENT") throw cause
      }
    }
  } finally {
    await remove(draft).catch(() => undefined)
  }
}

const writeDurably = async (path: string, text: string): Promise<void> => {
  const file = await open(path, "w", privateFileMode)
  try {
    await setPrivateMode(file)
    await file.writeFile(text)
    // So that the file is not empty after a power failure. Some network file systems refuse.
    await file.sync().catch(() => undefined)
  } finally {
    await file.close()
  }
}

/** What `link` says on file systems without hard links: FAT, some network file systems, Android's. */
const noHardLinks = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"])

/** The file is empty for a moment. In one go, so that this process's other work does not make that moment longer. */
const createInPlace = (path: string, text: string): boolean => {
  let file: number
  try {
    file = openSync(path, "wx", privateFileMode)
  } catch (cause) {
    if (fileErrorCode(cause) === "EEXIST") return false
    throw cause
  }
  try {
    fchmodSync(file, privateFileMode)
    writeSync(file, text)
  } finally {
    closeSync(file)
  }
  return true
}

/**
 * Removes what dead processes left; only the holder may. None of it belongs to the chain, so that a failure costs
 * nothing but the space of a few small files.
 */
const sweep = async (directory: string): Promise<void> => {
  for (const name of await readdir(directory).catch(() => [])) {
    const path = join(directory, name)
    const isSign = name.startsWith(lockFileName) && isLivenessSocketName(name)
    if (
      isSign
        ? await isAbandonedLivenessSocket(path)
        : name.startsWith(`${lockFileName}.`) || (isDraft(name) && (await isAbandoned(path)))
    ) {
      await remove(path).catch(() => undefined)
    }
  }
}

const isAbandoned = async (draft: string): Promise<boolean> => {
  const holder = await read(draft).catch(() => undefined)
  return holder === undefined || (await checkProcess(holder)) === "ended"
}

/** Removes the lock, where it is this holder's; also from a directory that was moved, if it can be found. */
const letGo = async (directory: string, self: Holder, held: DirectoryOwnership | undefined): Promise<void> => {
  try {
    for (const place of [directory, ...(held?.currentPath === undefined ? [] : [held.currentPath])]) {
      const path = join(place, lockFileName)
      const found = await read(path).catch((error: unknown) => {
        // Something else is in its place by now.
        if (error instanceof UnreadableLock) return undefined
        throw error
      })
      if (found?.nonce === self.nonce) await remove(path)
    }
  } finally {
    held?.close()
  }
}

const remove = async (path: string): Promise<void> => {
  try {
    await unlink(path)
  } catch (cause) {
    if (fileErrorCode(cause) !== "ENOENT") throw cause
  }
}
