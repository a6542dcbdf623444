import { closeSync, openSync, readFileSync, type Stats, statSync } from "node:fs"
import { join } from "node:path"
import { DirectoryLost } from "../files/directoryErrors.ts"
import { fileErrorCode } from "../files/fileErrors.ts"

/** How often an idle process checks that it still owns its directory, in milliseconds. */
export const ownershipCheckMillis = 1_000

/**
 * How old a check may be before a write to an open file, in milliseconds. Another process takes longer to open the
 * database.
 */
const maxCheckAgeMillis = 20

/** A file or directory that must stay the same. */
interface WatchedFile {
  readonly path: string
  /** Open, so that the system does not give its inode number to another file. */
  readonly handle: number | undefined
  readonly dev: number
  readonly ino: number
  /** The attributes when the content was last known; `null` for a file whose content may change. */
  constant: Stats | null
  /** The name in errors. */
  readonly name: string
}

/**
 * The ownership of a directory that this process has locked (decision 30). The embedded engine opens files by their
 * path, which may lead to another directory at any time. The ownership compares the identity of files, and is lost as
 * soon as one differs.
 */
export class DirectoryOwnership {
  readonly directory: string
  private readonly isOwnLock: (text: string) => boolean
  private readonly lock: WatchedFile
  private readonly watched: Array<WatchedFile> = []
  private readonly handle: number | undefined
  private checkedAt = performance.now()
  private lost: DirectoryLost | undefined

  /** `lock` is the path of the existing lock file. `isOwnLock` returns whether its content names this holder. */
  constructor(directory: string, lock: string, isOwnLock: (text: string) => boolean) {
    this.directory = directory
    this.isOwnLock = isOwnLock
    this.handle = tryToOpen(directory)
    this.lock = startWatching(lock, "its lock file", true)
  }

  /** Adds a file or directory in the directory that must stay the same; with `isConstant`, its content too. */
  watch(name: string, isConstant: boolean): void {
    this.watched.push(startWatching(join(this.directory, name), name, isConstant))
  }

  /** Removes everything that `watch` has added. */
  unwatch(): void {
    for (const { handle } of this.watched.splice(0)) tryToClose(handle)
  }

  /** Whether a check has found the directory lost. */
  get isLost(): boolean {
    return this.lost !== undefined
  }

  /** Throws `DirectoryLost` when this process no longer owns the directory. After that, every check throws it. */
  readonly check = (): void => {
    if (this.lost !== undefined) throw this.lost
    const reason = this.findLoss()
    if (reason !== undefined) {
      this.lost = new DirectoryLost({ directory: this.directory, reason })
      throw this.lost
    }
    this.checkedAt = performance.now()
  }

  /** Checks if the last check is older than 20 ms. */
  readonly checkIfStale = (): void => {
    if (this.lost !== undefined || performance.now() - this.checkedAt > maxCheckAgeMillis) this.check()
  }

  /** A path that leads to the directory also after it was moved. Only Linux has one. */
  get currentPath(): string | undefined {
    return this.handle === undefined || process.platform !== "linux" ? undefined : `/proc/self/fd/${this.handle}`
  }

  close(): void {
    this.unwatch()
    tryToClose(this.lock.handle)
    tryToClose(this.handle)
  }

  private findLoss(): string | undefined {
    const lock = readStats(this.lock.path)
    if (typeof lock === "string") return this.explainMissingLock(lock)
    // A copy of the directory has the same text in another file.
    if (!isSame(lock, this.lock)) return "another lock file is in that place"
    if (hasChanged(lock, this.lock)) {
      if (!this.isOwnLock(readText(this.lock.path))) return "another process has taken its lock"
      this.lock.constant = lock
    }
    for (const file of this.watched) {
      const found = readStats(file.path)
      if (typeof found === "string") return `${file.name} in it was moved or removed`
      if (!isSame(found, file)) return `${file.name} in it was replaced`
      if (hasChanged(found, file)) {
        if (!hasOtherAttributes(found, file)) return `${file.name} in it was overwritten`
        file.constant = found
      }
    }
    return undefined
  }

  private explainMissingLock(code: string): string {
    if (code !== "ENOENT" && code !== "ENOTDIR") return `its lock file cannot be read (${code})`
    return typeof readStats(this.directory) === "string"
      ? "it was moved or removed"
      : "its lock file is not there: it was removed, or another directory is in that place"
  }
}

const startWatching = (path: string, name: string, isConstant: boolean): WatchedFile => {
  const handle = tryToOpen(path)
  const found = statSync(path)
  return { path, name, handle, dev: found.dev, ino: found.ino, constant: isConstant ? found : null }
}

const isSame = (found: Stats, { dev, ino }: WatchedFile): boolean => found.ino === ino && found.dev === dev

const hasChanged = (found: Stats, { constant }: WatchedFile): boolean =>
  constant !== null && (found.ctimeMs !== constant.ctimeMs || found.size !== constant.size)

/** Whether the mode, the owner or the links have changed, which also changes `ctime`, and the content has not. */
const hasOtherAttributes = (found: Stats, { constant }: WatchedFile): boolean =>
  constant !== null &&
  found.mtimeMs === constant.mtimeMs &&
  found.size === constant.size &&
  (found.mode !== constant.mode ||
    found.uid !== constant.uid ||
    found.gid !== constant.gid ||
    found.nlink !== constant.nlink)

/** Returns the code of the error when the file cannot be read. */
const readStats = (path: string): Stats | string => {
  try {
    return statSync(path, { throwIfNoEntry: false }) ?? "ENOENT"
  } catch (cause) {
    return fileErrorCode(cause) ?? String(cause)
  }
}

const readText = (path: string): string => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return ""
  }
}

/** Some systems cannot open directories. */
const tryToOpen = (path: string): number | undefined => {
  try {
    return openSync(path, "r")
  } catch {
    return undefined
  }
}

const tryToClose = (handle: number | undefined): void => {
  if (handle !== undefined) closeSync(handle)
}
