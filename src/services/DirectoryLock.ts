import { Clock, Duration, Effect, Option, Schema, type Scope } from "effect"
import { randomBytes } from "node:crypto"
import { closeSync, openSync, writeSync } from "node:fs"
import { link, open, readdir, readFile, rename, unlink } from "node:fs/promises"
import { join } from "node:path"
import { ownProcess, ProcessIdentity, stateOf } from "./ProcessIdentity.ts"

/**
 * Another process, or another part of this one, holds the directory, and did not let go of it in time. `lockFile` is
 * null when the holder was seen running; when it cannot be looked at from here (another host, another container), it
 * names the file to delete once somebody made sure that the holder is gone.
 */
export class DirectoryLocked extends Schema.TaggedError<DirectoryLocked>()("DirectoryLocked", {
  directory: Schema.String,
  /** The holder's process id, on the machine `hostname`. */
  pid: Schema.Int,
  hostname: Schema.String,
  waitedSeconds: Schema.Finite,
  lockFile: Schema.NullOr(Schema.String)
}) {
  override get message(): string {
    const held = `The backlog in ${this.directory} is in use by`
    const waited = `waited ${this.waitedSeconds} seconds for it`
    if (this.lockFile !== null) {
      return (
        `${held} process ${this.pid} on host ${this.hostname}, which cannot be looked at from here; ${waited}. ` +
        `Make sure that it does not run any more, then delete ${this.lockFile}.`
      )
    }
    const holder = this.pid === process.pid ? "this same process" : "process"
    return (
      `${held} ${holder} ${this.pid}, which does not share it; ${waited}. ` +
      "Wait until it is done, or stop it, or share a Postgres server instead (--db postgres://…)."
    )
  }
}

/** The directory cannot hold a backlog. `reason` says what is wrong and what to do. */
export class DirectoryUnusable extends Schema.TaggedError<DirectoryUnusable>()("DirectoryUnusable", {
  directory: Schema.String,
  reason: Schema.String,
  cause: Schema.optional(Schema.Defect())
}) {
  override get message(): string {
    return `${this.directory} cannot be used as a backlog's directory: ${this.reason}`
  }
}

/** The file that says which process holds a directory. Successors of dead holders add their own names to it. */
export const lockName = "backlog.lock"

/** How long to wait for one holder, unless told otherwise. */
const defaultWait: Duration.Input = "10 seconds"

const pollMillis = 50

/** How long another way than to hold the directory may take, also when nothing is left to wait. */
const leastTryMillis = 1_000

/** Where hard links do not exist, a lock file is empty for a moment before it is written: only longer is an error. */
const unreadableGraceMillis = 1_000

/** Who holds, or held, a directory. The nonce, part of a file name, tells apart two times that one process held it. */
class Holder extends Schema.Class<Holder>("Holder")({
  ...ProcessIdentity.fields,
  nonce: Schema.String.check(Schema.isPattern(/^[0-9a-f]{32}$/))
}) {}

const HolderText = Schema.fromJsonString(Holder)
const decodeHolder = Schema.decodeUnknownOption(HolderText)
const encodeHolder = Schema.encodeSync(HolderText)

/**
 * Holds a directory for this process alone until the scope closes; within the process, for this scope alone. Waits
 * `wait` (10 seconds unless told otherwise, interruptibly) for each holder that lives and then fails with
 * `DirectoryLocked`; a holder that died, however it died, blocks nobody. One that cannot be looked at, on another host
 * or in another container, counts as living. The directory must exist; fails with `DirectoryUnusable` when it cannot be
 * written or its lock file holds something else.
 *
 * The holder is the end of a chain of files: `backlog.lock` names the first, and the successor of a dead holder is
 * whoever creates `backlog.lock.NONCE` with that holder's nonce. Creating is atomic, so every dead holder has one
 * successor at most. docs/decisions/0003 has the reasoning.
 */
export const holdDirectory = (
  directory: string,
  options: { readonly wait?: Duration.Input | undefined } = {}
): Effect.Effect<void, DirectoryLocked | DirectoryUnusable, Scope.Scope> =>
  Effect.asVoid(holdDirectoryUnless(directory, { ...options, unless: Effect.succeedNone }))

/**
 * As `holdDirectory`, unless there is another way: `unless` is tried each time that somebody else is seen to hold the
 * directory, and when it gives something, that is the answer, and nothing is held. It may take as long as is left to
 * wait for this holder, and a second if nothing is.
 */
export const holdDirectoryUnless = <A>(
  directory: string,
  options: { readonly wait?: Duration.Input | undefined; readonly unless: Effect.Effect<Option.Option<A>> }
): Effect.Effect<Option.Option<A>, DirectoryLocked | DirectoryUnusable, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const self = new Holder({
        ...(yield* Effect.promise(ownProcess)),
        nonce: randomBytes(16).toString("hex")
      })
      let began = yield* Clock.currentTimeMillis
      let waitedFor: string | undefined
      const wait = Duration.toMillis(Duration.fromInputUnsafe(options.wait ?? defaultWait))
      let unreadableSince: number | undefined
      while (true) {
        const outcome = yield* Effect.tryPromise({
          try: () => tryToHold(directory, self),
          catch: (cause) => new DirectoryUnusable({ directory, reason: reasonOf(cause), cause })
        })
        if (outcome === "held") break
        // Another process was faster; it is known who when looking again.
        if (outcome === "lost") continue
        if (!(outcome instanceof UnreadableLock)) {
          if (waitedFor !== outcome.holder.nonce) {
            if (waitedFor !== undefined) began = yield* Clock.currentTimeMillis
            waitedFor = outcome.holder.nonce
          }
          const left = wait - ((yield* Clock.currentTimeMillis) - began)
          const other = yield* restore(Effect.timeoutOption(options.unless, Math.max(left, leastTryMillis)))
          if (Option.isSome(other) && Option.isSome(other.value)) return other.value
        }
        const now = yield* Clock.currentTimeMillis
        const waited = now - began
        unreadableSince = outcome instanceof UnreadableLock ? (unreadableSince ?? now) : undefined
        if (outcome instanceof UnreadableLock) {
          if (waited >= wait || now - (unreadableSince ?? now) >= unreadableGraceMillis) {
            return yield* new DirectoryUnusable({ directory, reason: outcome.message })
          }
        } else if (waited >= wait) {
          const { hostname, pid } = outcome.holder
          const waitedSeconds = Math.round(waited / 100) / 10
          const lockFile = outcome.seen ? null : outcome.path
          return yield* new DirectoryLocked({ directory, pid, hostname, waitedSeconds, lockFile })
        }
        yield* restore(Effect.sleep(Math.max(1, Math.min(pollMillis, wait - waited))))
      }
      yield* Effect.addFinalizer(() =>
        Effect.tryPromise(() => letGo(directory, self)).pipe(
          Effect.catch((error) =>
            Effect.logWarning(`The lock of ${directory} was not removed; it ends with this process.`, error)
          )
        )
      )
      return Option.none()
    })
  )

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

/** `lost` when another process was faster. */
const tryToHold = async (directory: string, self: Holder): Promise<"held" | "lost" | Busy | UnreadableLock> => {
  try {
    const end = await endOfChain(directory)
    if (typeof end !== "string") return end
    return (await take(directory, end, self)) ? "held" : "lost"
  } catch (error) {
    if (error instanceof UnreadableLock) return error
    throw error
  }
}

/** The holder at the end of the chain, or the name that the next holder is to create. */
const endOfChain = async (directory: string): Promise<Busy | string> => {
  let path = join(directory, lockName)
  // One file for each successor that died in the middle of taking over: a longer chain is a circle that somebody made.
  for (let length = 0; length < 10_000; length++) {
    const holder = await read(path)
    if (holder === undefined) return path
    const state = await stateOf(holder)
    if (state !== "ended") return { holder, path, seen: state === "running" }
    path = successorOf(directory, holder)
  }
  throw new UnreadableLock(join(directory, lockName))
}

const successorOf = (directory: string, holder: Holder): string => join(directory, `${lockName}.${holder.nonce}`)

const take = async (directory: string, path: string, self: Holder): Promise<boolean> => {
  if (!(await create(directory, path, self))) return false
  try {
    if (!(await endsAt(directory, self))) {
      await remove(path)
      return false
    }
    // One step, and nothing to be written: the chain that ended here is this holder alone.
    if (path !== join(directory, lockName)) await rename(path, join(directory, lockName))
  } catch (error) {
    await remove(path)
    throw error
  }
  await sweep(directory)
  return true
}

/** Whether the chain, read again from its beginning, ends at `self`: if not, the end that was seen was an old one. */
const endsAt = async (directory: string, self: Holder): Promise<boolean> => {
  let path = join(directory, lockName)
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
    if (codeOf(cause) === "ENOENT") return undefined
    if (codeOf(cause) === "EISDIR") throw new UnreadableLock(path)
    throw cause
  }
  return Option.getOrThrowWith(decodeHolder(text), () => new UnreadableLock(path))
}

const isDraft = (name: string): boolean => name.startsWith(`${lockName}-`)

/** Creates a file of the chain, with its whole content at once; `false` when somebody else did. */
const create = async (directory: string, path: string, self: Holder): Promise<boolean> => {
  const draft = join(directory, `${lockName}-${self.nonce}.draft`)
  const text = encodeHolder(self)
  try {
    while (true) {
      await writeDurably(draft, text)
      try {
        await link(draft, path)
        return true
      } catch (cause) {
        const code = codeOf(cause) ?? ""
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
  const file = await open(path, "w")
  try {
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
    file = openSync(path, "wx")
  } catch (cause) {
    if (codeOf(cause) === "EEXIST") return false
    throw cause
  }
  try {
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
    if (name.startsWith(`${lockName}.`) || (isDraft(name) && (await isAbandoned(path)))) {
      await remove(path).catch(() => undefined)
    }
  }
}

const isAbandoned = async (draft: string): Promise<boolean> => {
  const holder = await read(draft).catch(() => undefined)
  return holder === undefined || (await stateOf(holder)) === "ended"
}

const letGo = async (directory: string, self: Holder): Promise<void> => {
  const path = join(directory, lockName)
  if ((await read(path))?.nonce === self.nonce) await remove(path)
}

const remove = async (path: string): Promise<void> => {
  try {
    await unlink(path)
  } catch (cause) {
    if (codeOf(cause) !== "ENOENT") throw cause
  }
}

const codeOf = (cause: unknown): string | undefined => (cause as NodeJS.ErrnoException | null)?.code

const fileErrors: Readonly<Record<string, string>> = {
  EACCES: "this user may not write there; change its permissions or choose another",
  EPERM: "this user may not write there; change its permissions or choose another",
  EROFS: "it is on a read-only file system; choose another",
  ENOSPC: "no space is left on its file system; make room, then try again",
  EDQUOT: "this user's share of its file system is used up; make room, then try again",
  ENOTDIR: "it, or a part of its path, is a file; choose another",
  EEXIST: "it is a file; choose another",
  ENOENT: "it cannot be created, or was removed meanwhile; choose another"
}

/** What a failed file operation means, in words. */
export const reasonOf = (cause: unknown): string => {
  const code = codeOf(cause)
  const words = code === undefined ? undefined : fileErrors[code]
  const message = cause instanceof Error ? cause.message : String(cause)
  return words === undefined ? message : `${words} (${message})`
}
