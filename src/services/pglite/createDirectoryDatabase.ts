import { Effect, type Scope } from "effect"
import { attemptIn, type DirectoryLocked, type DirectoryUnusable } from "../files/directoryErrors.ts"
import { createDatabase, createDirectory, refuseForeignDirectory } from "./databaseDirectory.ts"
import type { DatabaseFiles } from "./databaseFiles.ts"
import { lockDirectory } from "./DirectoryLock.ts"
import { refuseOtherOwner, restrictDirectory } from "./directoryPermissions.ts"

/**
 * Creates a directory with a database from the files that `newFiles` returns, without opening it. Leaves a database that
 * exists as it is.
 */
export const createDirectoryDatabase = Effect.fnUntraced(function* (
  directory: string,
  newFiles: () => Promise<DatabaseFiles | undefined>
): Effect.fn.Return<void, DirectoryLocked | DirectoryUnusable, Scope.Scope> {
  // Checked before the lock creates a file in the directory.
  yield* attemptIn(directory, async () => {
    await refuseOtherOwner(directory)
    await refuseForeignDirectory(directory)
    await createDirectory(directory)
    await restrictDirectory(directory)
  })
  const ownership = yield* lockDirectory(directory)
  // Not interruptible: the lock must not be released while files are written.
  yield* Effect.uninterruptible(attemptIn(directory, () => createDatabase(directory, ownership, newFiles)))
})
