import { randomUUID } from "node:crypto"
import { access, constants, readdir, readFile, rename, rm, stat } from "node:fs/promises"
import { dirname, join } from "node:path"
import { lockFileName } from "./DirectoryLock.ts"
import { DirectoryLost, DirectoryUnusable } from "../files/directoryErrors.ts"
import { socketFolder } from "./directorySocket.ts"
import { fileErrorCode, isDiskError, explainFileError } from "../files/fileErrors.ts"
import { type DirectoryOwnership } from "./DirectoryOwnership.ts"
import { PgliteEngine } from "./PgliteEngine.ts"
import { createPrivateFolder } from "../files/privateFiles.ts"

/** What `PG_VERSION` says in a directory that this version of PGlite can open. */
const postgresMajor = "18"

/** The database's own directory inside a backlog directory, and what it is called until it is complete. */
export const databaseFolder = "pgdata"
const unfinishedPrefix = "pgdata.creating-"

/** Refuses a directory that holds something else. */
export const refuseForeignDirectory = async (directory: string): Promise<void> => {
  const names = await namesIn(directory)
  if (names.length > 0 && !names.some(isBacklogFile)) {
    throw new DirectoryUnusable({
      directory,
      reason:
        "it holds other files and is not a backlog directory. Choose an empty directory, or one that does not exist."
    })
  }
}

/** Whether there is a complete database. */
export const hasDatabase = async (directory: string): Promise<boolean> =>
  (await namesIn(directory)).includes(databaseFolder)

/** Whether there is a database, or a process that may be creating one. */
export const holdsBacklog = async (directory: string): Promise<boolean> =>
  (await namesIn(directory)).some(isBacklogFile)

/** Whether this program created a file of this name in a directory that it uses. */
export const isBacklogFile = (name: string): boolean =>
  name === databaseFolder || name === socketFolder || name.startsWith(unfinishedPrefix) || name.startsWith(lockFileName)

const namesIn = async (directory: string): Promise<ReadonlyArray<string>> => {
  try {
    return await readdir(directory)
  } catch (error) {
    if (fileErrorCode(error) === "ENOENT") return []
    throw error
  }
}

/**
 * Creates a directory, and those above it, for this user only. Not mkdir's own way to do that: in Node 20 it does not return
 * for a path in /proc.
 */
export const createDirectory = async (directory: string): Promise<void> => {
  try {
    await createPrivateFolder(directory)
  } catch (error) {
    const code = fileErrorCode(error)
    if (code === "ENOENT" && dirname(directory) !== directory) {
      await createDirectory(dirname(directory))
      // Gone again, or not to be made: an error now. Made by another process meanwhile: fine.
      await createPrivateFolder(directory).catch((again: unknown) => {
        if (fileErrorCode(again) !== "EEXIST") throw again
      })
    } else if (code !== "EEXIST" || !(await stat(directory)).isDirectory()) throw error
  }
}

/** Creates a complete database unless there is one. Only the holder of the lock may call this. */
export const createDatabase = async (directory: string, owner: DirectoryOwnership): Promise<void> => {
  owner.check()
  const names = await readdir(directory)
  for (const name of names) {
    if (name.startsWith(unfinishedPrefix)) await rm(join(directory, name), { recursive: true, force: true })
  }
  if (names.includes(databaseFolder)) return
  // Renamed when complete: whatever carries the final name is a whole database, even if this process is killed.
  const unfinished = join(directory, `${unfinishedPrefix}${randomUUID()}`)
  try {
    const engine = await PgliteEngine.open(unfinished, owner)
    await engine.close()
    owner.check()
    await rename(unfinished, join(directory, databaseFolder))
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true }).catch(() => undefined)
    if (error instanceof DirectoryLost) throw error
    throw new DirectoryUnusable({ directory, reason: `no database could be created in it: ${explainFileError(error)}` })
  }
}

/** Files of a database that Postgres never replaces; and one that it never writes again. */
const lastingFiles = [databaseFolder, join(databaseFolder, "global", "pg_control")]
const constantFile = join(databaseFolder, "PG_VERSION")

/** Opens the database. Only the holder of the lock may call this. */
export const openDatabase = async (directory: string, owner: DirectoryOwnership): Promise<PgliteEngine> => {
  const database = join(directory, databaseFolder)
  const refuse = (reason: string) => new DirectoryUnusable({ directory, reason })

  const version = await readFile(join(database, "PG_VERSION"), "utf8").catch((cause: unknown) => {
    const isMissing = ["ENOENT", "ENOTDIR", "EISDIR"].includes(fileErrorCode(cause) ?? "")
    throw refuse(
      isMissing
        ? `${database} is not a database. Restore it from a backup, or choose another directory.`
        : `${join(database, "PG_VERSION")} cannot be read: ${explainFileError(cause)}`
    )
  })
  if (version.trim() !== postgresMajor) {
    throw refuse(
      `${database} is of Postgres ${version.trim()}, and this program reads ${postgresMajor}. ` +
        "Open it with the program that made it, export the backlog there, and import it into a new directory."
    )
  }
  try {
    await access(database, constants.R_OK | constants.W_OK | constants.X_OK)
    for (const name of lastingFiles) owner.watch(name, false)
    owner.watch(constantFile, true)
    return await PgliteEngine.open(database, owner)
  } catch (error) {
    owner.unwatch()
    if (error instanceof DirectoryLost) throw error
    if (isDiskError(error)) throw refuse(`the database in ${database} does not open: ${explainFileError(error)}`)
    throw refuse(
      `the database in ${database} does not open, and may be damaged. Restore it from a backup. ` +
        `PGlite says: ${explainFileError(error)}`
    )
  }
}
