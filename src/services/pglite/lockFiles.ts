import { Option, Schema } from "effect"
import { closeSync, fchmodSync, openSync, writeSync } from "node:fs"
import { link, open, readdir, readFile, rename, unlink } from "node:fs/promises"
import { join } from "node:path"
import { fileErrorCode } from "../files/fileErrors.ts"
import { privateFileMode, setPrivateMode } from "../files/privateFiles.ts"
import {
  FileIdentity,
  isAbandonedLivenessSocket,
  isLivenessSocketName,
  LivenessSocket,
  probeLivenessSocket,
  readFileIdentity
} from "./LivenessSocket.ts"
import { checkProcess, isSameBoot, ProcessIdentity } from "./ProcessIdentity.ts"

/*
 * The files that lock a directory: decision 3, and decision 30 for liveness sockets and copied directories.
 *
 *     backlog.lock                the first file of the chain
 *     backlog.lock.NONCE          the next file of the chain, after the holder with that nonce
 *     backlog.lock-NONCE.draft    a file of the chain while it is written
 *     backlog.lock-NONCE.live     the liveness socket of the holder with that nonce
 *
 * A file of the chain is a JSON object that identifies a holder: pid, hostname, boot, namespace, started, nonce,
 * lifeSign (the name, device and inode of its liveness socket) and place (the device and inode of the directory). The
 * last file of the chain names the holder of the directory.
 *
 * To acquire the lock, a process
 *   1. creates its liveness socket, with a new nonce in its name;
 *   2. follows the chain to its end. If the last holder runs or cannot be checked, the directory is locked;
 *   3. writes a draft and links it to the next name of the chain. If the name exists, another process was faster;
 *   4. follows the chain again from `backlog.lock`. If it does not end at the new file, the end that the process saw in
 *      step 2 was outdated: it removes its file, and starts again;
 *   5. renames its file to `backlog.lock`, after which the chain is this one file;
 *   6. removes the files that ended processes have left.
 * To release the lock, it removes `backlog.lock` if the nonce is its own, and then closes its liveness socket.
 *
 * Until the holder has ended, no other process changes the chain: a process that dies between two steps leaves a longer
 * chain, or files outside of the chain, and the next process needs no repair.
 */

/** The name of the first lock file. The names of all other lock files begin with it. */
export const lockFileName = "backlog.lock"

/** A holder of a directory. Older versions write neither `lifeSign` nor `place`. */
export class Holder extends Schema.Class<Holder>("Holder")({
  ...ProcessIdentity.fields,
  /** Distinguishes two times that one process held the directory. It is part of file names. */
  nonce: Schema.String.check(Schema.isPattern(/^[0-9a-f]{32}$/)),
  lifeSign: Schema.optional(LivenessSocket),
  /** The directory that is held. A copy of the directory has a copy of the lock file. */
  place: Schema.optional(FileIdentity)
}) {}

const HolderText = Schema.fromJsonString(Holder)
const decodeHolder = Schema.decodeUnknownOption(HolderText)
const encodeHolder = Schema.encodeSync(HolderText)

/** Whether the content of a lock file names the holder with a nonce. */
export const isLockOf = (text: string, nonce: string): boolean =>
  Option.exists(decodeHolder(text), (holder) => holder.nonce === nonce)

/** The path of the draft, or with another suffix of the liveness socket, of the holder with a nonce. */
export const holderPath = (directory: string, nonce: string): string => join(directory, `${lockFileName}-${nonce}`)

/** A lock file whose content is not a holder. */
export class UnreadableLock extends Error {
  constructor(path: string) {
    super(`its file ${path} is not a lock. If no process uses the directory, delete that file.`)
  }
}

/** The holder of a directory that is locked. */
export interface CurrentHolder {
  readonly holder: Holder
  /** The lock file that names it. */
  readonly path: string
  /** Whether the holder is known to run. When `false`, it cannot be checked from here. */
  readonly isRunning: boolean
}

/** Returns the current holder, or the path of the file that the next holder is to create. */
export const findHolder = async (directory: string): Promise<CurrentHolder | string> => {
  let path = join(directory, lockFileName)
  // Each successor that died in the middle adds one file. A longer chain can only be a cycle that was written by hand.
  for (let length = 0; length < 10_000; length++) {
    const holder = await readHolder(path)
    if (holder === undefined) return path
    const state = await checkHolder(directory, holder)
    if (state !== "ended") return { holder, path, isRunning: state === "running" }
    path = successorPath(directory, holder)
  }
  throw new UnreadableLock(join(directory, lockFileName))
}

/**
 * Checks whether a holder still may write to the directory. On the machine on which it was started, since the machine
 * booted, two checks are certain without seeing the process: the liveness socket, which is the same socket in every
 * container that shares the directory, and the identity of the directory.
 */
const checkHolder = async (directory: string, holder: Holder): Promise<"running" | "ended" | "unknown"> => {
  const state = await checkProcess(holder)
  if (state === "ended" || !(await isSameBoot(holder))) return state
  if (holder.place !== undefined) {
    const { dev, ino } = await readFileIdentity(directory)
    // Another inode on the same file system: the directory was copied together with its lock file.
    if (dev === holder.place.dev && ino !== holder.place.ino) return "ended"
  }
  const socket = holder.lifeSign === undefined ? "unknown" : await probeLivenessSocket(directory, holder.lifeSign)
  return socket === "unknown" ? state : socket === "ended" ? "ended" : "running"
}

const successorPath = (directory: string, holder: Holder): string => join(directory, `${lockFileName}.${holder.nonce}`)

/** Steps 3 to 6: makes `self` the holder by the file at `path`. Returns `false` when another process was faster. */
export const acquireLockFile = async (directory: string, path: string, self: Holder): Promise<boolean> => {
  if (!(await createLockFile(directory, path, self))) return false
  try {
    if (!(await isChainEnd(directory, self))) {
      await remove(path)
      return false
    }
    if (path !== join(directory, lockFileName)) await rename(path, join(directory, lockFileName))
  } catch (error) {
    await remove(path)
    throw error
  }
  await removeLeftovers(directory)
  return true
}

/** Removes the lock file from a directory, if it names the holder with this nonce. */
export const removeLockFile = async (directory: string, nonce: string): Promise<void> => {
  const path = join(directory, lockFileName)
  const found = await readHolder(path).catch((error: unknown) => {
    // The file was replaced by something else.
    if (error instanceof UnreadableLock) return undefined
    throw error
  })
  if (found?.nonce === nonce) await remove(path)
}

const isChainEnd = async (directory: string, self: Holder): Promise<boolean> => {
  let path = join(directory, lockFileName)
  while (true) {
    const holder = await readHolder(path)
    if (holder === undefined) return false
    if (holder.nonce === self.nonce) return true
    path = successorPath(directory, holder)
  }
}

const readHolder = async (path: string): Promise<Holder | undefined> => {
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

/** Creates a lock file with its whole content at once. Returns `false` when the file exists. */
const createLockFile = async (directory: string, path: string, self: Holder): Promise<boolean> => {
  const draft = `${holderPath(directory, self.nonce)}.draft`
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
        // A holder that removed leftovers at this moment took the half-written draft for one of an ended process.
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
    // The file must not be empty after a power failure. Some network file systems refuse to sync.
    await file.sync().catch(() => undefined)
  } finally {
    await file.close()
  }
}

/** The errors of `link` on file systems without hard links: FAT, some network file systems, Android's. */
const noHardLinks = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"])

/** Without hard links the file is empty for a moment. It is written synchronously, which keeps that moment short. */
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
 * Removes the files of ended processes. Only the holder may call this. The files are not part of the chain, so a
 * failure costs only the space of some small files.
 */
const removeLeftovers = async (directory: string): Promise<void> => {
  for (const name of await readdir(directory).catch(() => [])) {
    const path = join(directory, name)
    const isSocket = name.startsWith(lockFileName) && isLivenessSocketName(name)
    if (
      isSocket
        ? await isAbandonedLivenessSocket(path)
        : name.startsWith(`${lockFileName}.`) || (isDraftName(name) && (await isAbandonedDraft(path)))
    ) {
      await remove(path).catch(() => undefined)
    }
  }
}

const isDraftName = (name: string): boolean => name.startsWith(`${lockFileName}-`) && !isLivenessSocketName(name)

const isAbandonedDraft = async (path: string): Promise<boolean> => {
  const holder = await readHolder(path).catch(() => undefined)
  return holder === undefined || (await checkProcess(holder)) === "ended"
}

const remove = async (path: string): Promise<void> => {
  try {
    await unlink(path)
  } catch (cause) {
    if (fileErrorCode(cause) !== "ENOENT") throw cause
  }
}
