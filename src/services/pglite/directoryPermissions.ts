import { lstatSync, readdirSync, type Stats, statSync } from "node:fs"
import { lstat, readdir, stat } from "node:fs/promises"
import { join } from "node:path"
import { databaseFolder, isBacklogFile } from "./databaseDirectory.ts"
import { DirectoryUnusable } from "../files/directoryErrors.ts"
import { socketFolder, findSocketProblem } from "./directorySocket.ts"
import { fileErrorCode } from "../files/fileErrors.ts"
import type { DirectoryAccess } from "../files/DirectoryAccess.ts"
import type { DirectoryOwnership } from "./DirectoryOwnership.ts"
import {
  removeOthersAccess,
  isOpenToOthers,
  isWritableByOthers,
  currentUserId,
  PermissionsUnsupported
} from "../files/privateFiles.ts"

/**
 * Fails with `DirectoryUnusable` for a directory of another user, also when it has no backlog yet, and for a symbolic
 * link of another user, which could make this user restrict any directory. Links of root are followed.
 */
export const refuseOtherOwner = async (directory: string): Promise<void> => {
  const user = currentUserId()
  const link = user === undefined ? undefined : await orMissing(lstat(directory))
  if (link?.isSymbolicLink() === true && link.uid !== user && link.uid !== 0) {
    throw new DirectoryUnusable({
      directory,
      reason:
        `it is a symbolic link that belongs to user ${link.uid}, and this process runs as user ${user}: only links of the ` +
        "same user and of root are followed. Give the directory itself, or remove the link."
    })
  }
  const found = user === undefined ? undefined : await orMissing(stat(directory))
  if (user !== undefined && found?.isDirectory() === true) refuseOther(directory, "it", found, user)
}

/**
 * Removes the rights of other users from a backlog's directory and from the folder of its database (decision 33).
 * `restrictDatabase` does the same for the files in the folder. Returns whether other users could enter the folder.
 * Does nothing on systems without user ids.
 *
 * A directory that also has other files keeps its mode. Fails with `DirectoryUnusable` when other users may write to
 * such a directory, when the directory or a file of the backlog in it belongs to another user, and when the rights
 * cannot be removed.
 */
export const restrictDirectory = async (directory: string): Promise<boolean> => {
  const user = currentUserId()
  if (user === undefined) return false
  await refuseOtherOwner(directory)
  const found = await stat(directory)
  refuseOther(directory, "it", found, user)
  // Before the content is checked: after that, no other user can change it.
  const isShared = (await readdir(directory)).some((name) => !isBacklogFile(name))
  if (isShared) {
    if (isWritableByOthers(found)) {
      throw new DirectoryUnusable({
        directory,
        reason:
          "other users may write to it, and it also holds other files than the backlog's, so its mode is left as it is. " +
          `Run \`chmod go-w ${JSON.stringify(directory)}\`, or choose another directory.`
      })
    }
  } else if (isOpenToOthers(found)) restrict(directory, directory, true)
  for (const name of await readdir(directory)) {
    // The holder replaces the folder of the socket.
    if (!isBacklogFile(name) || name === socketFolder) continue
    const file = await orMissing(lstat(join(directory, name)))
    if (file !== undefined) refuseOther(directory, `its ${JSON.stringify(name)}`, file, user)
  }
  const database = join(directory, databaseFolder)
  const folder = await orMissing(stat(database))
  if (folder === undefined) return false
  refuseOther(directory, `its ${JSON.stringify(databaseFolder)}`, folder, user)
  return isOpenToOthers(folder) && restrict(directory, database, true)
}

/** Files whose modes show that other users can read a database: an older version of this program created it. */
const indicators = [join("global", "pg_control"), "PG_VERSION"]

/**
 * Removes the rights of other users from every file of a database. Reads the modes of only two files, unless one of
 * them is open to others or `wasFolderOpen`. Returns how many files and folders were open to others. Fails with
 * `DirectoryUnusable` for a file that belongs to another user. Only the holder of the lock may call this.
 */
export const restrictDatabase = (directory: string, ownership: DirectoryOwnership, wasFolderOpen: boolean): number => {
  const user = currentUserId()
  if (user === undefined) return 0
  const database = join(directory, databaseFolder)
  const indicatorStats = indicators.map((name) => statSync(join(database, name), { throwIfNoEntry: false }))
  if (
    !wasFolderOpen &&
    !indicatorStats.some((stats) => stats !== undefined && (isOpenToOthers(stats) || stats.uid !== user))
  )
    return 0
  // Not a database: opening it fails.
  if (indicatorStats[1] === undefined) return 0
  ownership.check()
  let count = wasFolderOpen ? 1 : 0
  const restrictEach = (files: Iterable<readonly [string, Stats]>): void => {
    for (const [path, found] of files) {
      refuseOther(directory, `its ${JSON.stringify(path.slice(directory.length + 1))}`, found, user)
      if (isOpenToOthers(found) && restrict(directory, path)) count++
    }
  }
  // A folder comes before its content. PG_VERSION comes last: it shows that all others are restricted, also after a
  // crash.
  restrictEach(filesIn(database, "PG_VERSION"))
  restrictEach([[join(database, "PG_VERSION"), lstatSync(join(database, "PG_VERSION"))]])
  return count
}

/**
 * Checks the access to every file of a backlog's directory. `undefined` where there is no backlog, and on systems
 * without user ids.
 */
export const inspectDirectoryAccess = async (directory: string): Promise<DirectoryAccess | undefined> => {
  const user = currentUserId()
  const found = await orMissing(stat(directory))
  if (user === undefined || found === undefined) return undefined
  const names = await readdir(directory)
  if (!names.some(isBacklogFile)) return undefined
  const open: Array<string> = []
  const openParts = new Set<string>()
  const foreign: Array<string> = []
  const examine = (path: string, stats: Stats, part: string): void => {
    if (isOpenToOthers(stats)) {
      open.push(path)
      openParts.add(part)
    }
    if (stats.uid !== user) foreign.push(path)
  }
  // A directory that also has other files keeps its mode.
  if (names.every(isBacklogFile) || isWritableByOthers(found)) examine(directory, found, directory)
  else if (found.uid !== user) foreign.push(directory)
  for (const name of names.filter(isBacklogFile)) {
    const path = join(directory, name)
    // A lock or a socket may be removed meanwhile.
    const stats = statSync(path, { throwIfNoEntry: false })
    if (stats === undefined) continue
    examine(path, stats, path)
    if (stats.isDirectory()) for (const [below, each] of filesIn(path)) examine(below, each, path)
  }
  return {
    directory,
    open: open.length,
    firstOpen: open[0] ?? null,
    openParts: [...openParts].slice(0, 5),
    openBefore: open.length,
    foreign: foreign.length,
    firstForeign: foreign[0] ?? null,
    user,
    socketProblem: (await findSocketProblem(directory)) ?? null
  }
}

/**
 * The files and folders below a folder, each folder before its content, without links, which this program does not
 * create.
 */
function* filesIn(folder: string, except?: string): Generator<readonly [string, Stats]> {
  for (const name of readdirOrNone(folder)) {
    if (name === except) continue
    const path = join(folder, name)
    // The engine of another process may remove files.
    const found = lstatSync(path, { throwIfNoEntry: false })
    if (found === undefined || found.isSymbolicLink()) continue
    yield [path, found]
    if (found.isDirectory()) yield* filesIn(path)
  }
}

const readdirOrNone = (folder: string): ReadonlyArray<string> => {
  try {
    return readdirSync(folder)
  } catch (error) {
    // It was removed meanwhile, or it is a folder of another user, which is reported by itself.
    if (["ENOENT", "EACCES"].includes(fileErrorCode(error) ?? "")) return []
    throw error
  }
}

const refuseOther = (directory: string, what: string, { uid }: Stats, user: number): void => {
  if (uid === user) return
  throw new DirectoryUnusable({
    directory,
    reason:
      `${what} belongs to user ${uid}, and this process runs as user ${user}. Run it as user ${uid}, choose another ` +
      `directory, or let an administrator give the directory to user ${user}: ` +
      `\`chown -R ${user} ${JSON.stringify(directory)}\`.`
  })
}

const restrict = (directory: string, path: string, isFollowed = false): boolean => {
  try {
    return removeOthersAccess(path, isFollowed)
  } catch (error) {
    if (error instanceof PermissionsUnsupported) throw new DirectoryUnusable({ directory, reason: `${error.message}.` })
    throw error
  }
}

const orMissing = async <A>(found: Promise<A>): Promise<A | undefined> => {
  try {
    return await found
  } catch (error) {
    if (fileErrorCode(error) === "ENOENT") return undefined
    throw error
  }
}
