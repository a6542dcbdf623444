import { randomUUID } from "node:crypto"
import { access, constants, readdir, readFile, rename, rm, stat } from "node:fs/promises"
import { dirname, join } from "node:path"
import { type DatabaseFiles, writeDatabaseFiles } from "./databaseFiles.ts"
import { lockFileName } from "./lockFiles.ts"
import { DirectoryLost, DirectoryUnusable } from "../files/directoryErrors.ts"
import { socketFolder } from "./directorySocket.ts"
import { fileErrorCode, isDiskError, explainFileError } from "../files/fileErrors.ts"
import { type DirectoryOwnership } from "./DirectoryOwnership.ts"
import { PgliteEngine } from "./PgliteEngine.ts"
import { createPrivateFolder } from "../files/privateFiles.ts"

/** The content of `PG_VERSION` in a database that this version of PGlite can open. */
const postgresMajor = "18"

/** The folder of the database inside a backlog's directory, and the prefix of its name while it is created. */
export const databaseFolder = "pgdata"
const unfinishedPrefix = "pgdata.creating-"

/** Fails with `DirectoryUnusable` when a directory holds files, and none of them is a backlog's. */
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

/** Whether a directory has a complete database. */
export const hasDatabase = async (directory: string): Promise<boolean> =>
  (await namesIn(directory)).includes(databaseFolder)

/** Whether a directory has a database, or one that is being created. */
export const holdsBacklog = async (directory: string): Promise<boolean> =>
  (await namesIn(directory)).some(isBacklogFile)

/** Whether a file name in a backlog's directory is one that this program creates. */
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
 * Creates a directory and its parents for this user only. Not with `mkdir`'s option `recursive`, which does not return
 * for a path in /proc (Node 20).
 */
export const createDirectory = async (directory: string): Promise<void> => {
  try {
    await createPrivateFolder(directory)
  } catch (error) {
    const code = fileErrorCode(error)
    if (code === "ENOENT" && dirname(directory) !== directory) {
      await createDirectory(dirname(directory))
      // Another process may have created it meanwhile.
      await createPrivateFolder(directory).catch((again: unknown) => {
        if (fileErrorCode(again) !== "EEXIST") throw again
      })
    } else if (code !== "EEXIST" || !(await stat(directory)).isDirectory()) throw error
  }
}

/**
 * Creates a complete database if there is none: from the files that `newFiles` returns, or with `initdb` when it returns
 * none. Only the holder of the lock may call this.
 */
export const createDatabase = async (
  directory: string,
  ownership: DirectoryOwnership,
  newFiles: () => Promise<DatabaseFiles | undefined>
): Promise<void> => {
  ownership.check()
  const names = await readdir(directory)
  for (const name of names) {
    if (name.startsWith(unfinishedPrefix)) await rm(join(directory, name), { recursive: true, force: true })
  }
  if (names.includes(databaseFolder)) return
  // Renamed when it is complete, so that a folder with the final name is a whole database even if this process is
  // killed.
  const unfinished = join(directory, `${unfinishedPrefix}${randomUUID()}`)
  try {
    const files = await newFiles()
    if (files === undefined) await (await PgliteEngine.open(unfinished, ownership)).close()
    else await writeDatabaseFiles(unfinished, files, ownership)
    ownership.check()
    await rename(unfinished, join(directory, databaseFolder))
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true }).catch(() => undefined)
    if (error instanceof DirectoryLost) throw error
    throw new DirectoryUnusable({ directory, reason: `no database could be created in it: ${explainFileError(error)}` })
  }
}

/** Files of a database that Postgres never replaces, and one that it never writes again. */
const permanentFiles = [databaseFolder, join(databaseFolder, "global", "pg_control")]
const constantFile = join(databaseFolder, "PG_VERSION")

/** Opens the database. Only the holder of the lock may call this. */
export const openDatabase = async (directory: string, ownership: DirectoryOwnership): Promise<PgliteEngine> => {
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
        "Open it with the version that created it, export the backlog there, and import it into a new directory."
    )
  }
  try {
    await access(database, constants.R_OK | constants.W_OK | constants.X_OK)
    for (const name of permanentFiles) ownership.watch(name, false)
    ownership.watch(constantFile, true)
    return await PgliteEngine.open(database, ownership)
  } catch (error) {
    ownership.unwatch()
    if (error instanceof DirectoryLost) throw error
    if (isDiskError(error)) throw refuse(`the database in ${database} does not open: ${explainFileError(error)}`)
    throw refuse(
      `the database in ${database} does not open, and may be damaged. Restore it from a backup. ` +
        `PGlite says: ${explainFileError(error)}`
    )
  }
}
