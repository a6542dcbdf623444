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
 * Refuses a directory of another user, also one that has no backlog yet; and a symbolic link of another user in its place,
 * which would choose for this user what is closed. Links of root are followed.
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
 * Closes a backlog's directory and its database's folder to other users; the files in the folder are for `closeDatabase`.
 * Refuses a directory, or a file of the backlog in it, that belongs to another user, and a directory that cannot be
 * closed. A directory that also holds other files keeps its mode, and is refused when other users may write there. Returns
 * whether the database's folder was open. Does nothing on systems without user ids.
 */
export const restrictDirectory = async (directory: string): Promise<boolean> => {
  const user = currentUserId()
  if (user === undefined) return false
  await refuseOtherOwner(directory)
  const found = await stat(directory)
  refuseOther(directory, "it", found, user)
  // Before its content is checked: after that no other user can change it.
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
  } else if (isOpenToOthers(found)) close(directory, directory, true)
  for (const name of await readdir(directory)) {
    // The holder replaces the socket's folder.
    if (!isBacklogFile(name) || name === socketFolder) continue
    const file = await orMissing(lstat(join(directory, name)))
    if (file !== undefined) refuseOther(directory, `its ${JSON.stringify(name)}`, file, user)
  }
  const database = join(directory, databaseFolder)
  const folder = await orMissing(stat(database))
  if (folder === undefined) return false
  refuseOther(directory, `its ${JSON.stringify(databaseFolder)}`, folder, user)
  return isOpenToOthers(folder) && close(directory, database, true)
}

/** Files by whose modes a database is known to be open: an older version of this program created them so. */
const signs = [join("global", "pg_control"), "PG_VERSION"]

/**
 * Closes every file of a database to other users. Reads the modes of two files only, unless one of these is open or
 * `isKnownOpen` says that the folder was. Refuses a file that belongs to another user. Returns how many files and folders were
 * open. Only the holder of the lock may call this.
 */
export const restrictDatabase = (directory: string, owner: DirectoryOwnership, isKnownOpen: boolean): number => {
  const user = currentUserId()
  if (user === undefined) return 0
  const database = join(directory, databaseFolder)
  const signsFound = signs.map((name) => statSync(join(database, name), { throwIfNoEntry: false }))
  if (!isKnownOpen && !signsFound.some((sign) => sign !== undefined && (isOpenToOthers(sign) || sign.uid !== user)))
    return 0
  // Not a database: the opening says so.
  if (signsFound[1] === undefined) return 0
  owner.check()
  let count = isKnownOpen ? 1 : 0
  const closeEach = (files: Iterable<readonly [string, Stats]>): void => {
    for (const [path, found] of files) {
      refuseOther(directory, `its ${JSON.stringify(path.slice(directory.length + 1))}`, found, user)
      if (isOpenToOthers(found) && close(directory, path)) count++
    }
  }
  // A folder before what is in it. The last file is the sign that all others are closed, also when this process is killed.
  closeEach(filesIn(database, "PG_VERSION"))
  closeEach([[join(database, "PG_VERSION"), lstatSync(join(database, "PG_VERSION"))]])
  return count
}

/** Checks every file of a backlog's directory. None where there is no backlog, or on systems without user ids. */
export const inspectDirectoryAccess = async (directory: string): Promise<DirectoryAccess | undefined> => {
  const user = currentUserId()
  const found = await orMissing(stat(directory))
  if (user === undefined || found === undefined) return undefined
  const names = await readdir(directory)
  if (!names.some(isBacklogFile)) return undefined
  const open: Array<string> = []
  const openParts = new Set<string>()
  const foreign: Array<string> = []
  const examine = (path: string, of: Stats, part: string): void => {
    if (isOpenToOthers(of)) {
      open.push(path)
      openParts.add(part)
    }
    if (of.uid !== user) foreign.push(path)
  }
  // One that also holds other files keeps its mode.
  if (names.every(isBacklogFile) || isWritableByOthers(found)) examine(directory, found, directory)
  else if (found.uid !== user) foreign.push(directory)
  for (const name of names.filter(isBacklogFile)) {
    const path = join(directory, name)
    // A lock or a socket may end meanwhile.
    const of = statSync(path, { throwIfNoEntry: false })
    if (of === undefined) continue
    examine(path, of, path)
    if (of.isDirectory()) for (const [below, each] of filesIn(path)) examine(below, each, path)
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

/** Files and folders below a folder, each folder before what is in it. No links, which this program does not create. */
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
    // Removed meanwhile; or another user's, which is reported as such.
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

const close = (directory: string, path: string, isFollowed = false): boolean => {
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
