import { closeSync, openSync, readFileSync, type Stats, statSync } from "node:fs"
import { join } from "node:path"
import { fileErrorCode } from "../files/fileErrors.ts"
import { DirectoryLost } from "../files/directoryErrors.ts"

/** How often a running process checks on its own whether it still owns its directory, in milliseconds. */
export const ownershipCheckMillis = 1_000

/** How old a check may be when a file that is open already is written. */
const writeCheckMillis = 20

/** A file or directory whose identity must not change, and what to say when it does. */
interface Mark {
  readonly path: string
  /** Open, so that the system does not give its inode number to another file. */
  readonly handle: number | undefined
  readonly dev: number
  readonly ino: number
  /** As it was when it was last found unchanged; null where the content may change. */
  constant: Stats | null
  readonly name: string
}

/**
 * A directory that this process holds. Knows by the identity of files whether that is still so: a path may lead to
 * another directory at any time, and the embedded engine opens files by path.
 */
export class DirectoryOwnership {
  readonly directory: string
  private readonly isOwnLock: (text: string) => boolean
  private readonly lock: Mark
  private readonly marks: Array<Mark> = []
  private readonly handle: number | undefined
  private checkedAt = performance.now()
  private lost: DirectoryLost | undefined

  /** `lock` is the path of the lock file, which is in place; `isOwnLock` tells by its text whether it is this holder's. */
  constructor(directory: string, lock: string, isOwnLock: (text: string) => boolean) {
    this.directory = directory
    this.isOwnLock = isOwnLock
    this.handle = openQuietly(directory)
    this.lock = makeMark(lock, "its lock file", true)
  }

  /** From now on this file or directory in it must stay the same; with `isConstant` its content too. */
  watch(name: string, isConstant: boolean): void {
    this.marks.push(makeMark(join(this.directory, name), name, isConstant))
  }

  /** Ends what `keep` began. */
  unwatch(): void {
    for (const { handle } of this.marks.splice(0)) closeQuietly(handle)
  }

  /** Whether the last check found the directory lost. */
  get isLost(): boolean {
    return this.lost !== undefined
  }

  /** Throws `DirectoryLost` when the directory is no longer this process's, and from then on always. */
  readonly check = (): void => {
    if (this.lost !== undefined) throw this.lost
    const reason = this.findLoss()
    if (reason !== undefined) {
      this.lost = new DirectoryLost({ directory: this.directory, reason })
      throw this.lost
    }
    this.checkedAt = performance.now()
  }

  /** As `check`, when the last one is longer ago than another process needs to open the database. */
  readonly checkIfStale = (): void => {
    if (this.lost !== undefined || performance.now() - this.checkedAt > writeCheckMillis) this.check()
  }

  /** Where the directory is by now, if the system tells: Linux does, also after it was moved. */
  get currentPath(): string | undefined {
    return this.handle === undefined || process.platform !== "linux" ? undefined : `/proc/self/fd/${this.handle}`
  }

  close(): void {
    this.unwatch()
    closeQuietly(this.lock.handle)
    closeQuietly(this.handle)
  }

  private findLoss(): string | undefined {
    const lock = statOf(this.lock.path)
    if (typeof lock === "string") return this.explain(lock)
    // A copy of the directory may have the same text in another file.
    if (!isSame(lock, this.lock)) return "another lock file is in that place"
    if (hasChanged(lock, this.lock)) {
      if (!this.isOwnLock(readQuietly(this.lock.path))) return "another process has taken its lock"
      this.lock.constant = lock
    }
    for (const mark of this.marks) {
      const found = statOf(mark.path)
      if (typeof found === "string") return `${mark.name} in it was moved or removed`
      if (!isSame(found, mark)) return `${mark.name} in it was replaced`
      if (hasChanged(found, mark)) {
        if (!hasOtherAttributes(found, mark)) return `${mark.name} in it was overwritten`
        mark.constant = found
      }
    }
    return undefined
  }

  private explain(code: string): string {
    if (code !== "ENOENT" && code !== "ENOTDIR") return `its lock file cannot be read (${code})`
    return typeof statOf(this.directory) === "string"
      ? "it was moved or removed"
      : "its lock file is not there: it was removed, or another directory is in that place"
  }
}

const makeMark = (path: string, name: string, isConstant: boolean): Mark => {
  const handle = openQuietly(path)
  const found = statSync(path)
  return { path, name, handle, dev: found.dev, ino: found.ino, constant: isConstant ? found : null }
}

const isSame = (found: Stats, { dev, ino }: Mark): boolean => found.ino === ino && found.dev === dev

const hasChanged = (found: Stats, { constant }: Mark): boolean =>
  constant !== null && (found.ctimeMs !== constant.ctimeMs || found.size !== constant.size)

/** Programs that change permissions, owners or links change no content. */
const hasOtherAttributes = (found: Stats, { constant }: Mark): boolean =>
  constant !== null &&
  found.mtimeMs === constant.mtimeMs &&
  found.size === constant.size &&
  (found.mode !== constant.mode ||
    found.uid !== constant.uid ||
    found.gid !== constant.gid ||
    found.nlink !== constant.nlink)

/** The code of the error instead, where it fails. */
const statOf = (path: string): Stats | string => {
  try {
    return statSync(path, { throwIfNoEntry: false }) ?? "ENOENT"
  } catch (cause) {
    return fileErrorCode(cause) ?? String(cause)
  }
}

const readQuietly = (path: string): string => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return ""
  }
}

/** Not every system opens directories. */
const openQuietly = (path: string): number | undefined => {
  try {
    return openSync(path, "r")
  } catch {
    return undefined
  }
}

const closeQuietly = (handle: number | undefined): void => {
  if (handle !== undefined) closeSync(handle)
}
