import { closeSync, constants, fchmodSync, fstatSync, openSync, statSync, type Stats } from "node:fs"
import { chmod, lstat, mkdir, type FileHandle } from "node:fs/promises"
import { fileErrorCode } from "./fileErrors.ts"

/** The mode of a file that only its user may read and write. */
export const privateFileMode = 0o600

/** The mode of a folder that only its user may enter. */
export const privateFolderMode = 0o700

/** The bits of a mode that let other users in: those of the group and of everyone. */
const otherUsers = 0o077

/** The user to whom the files that this process creates belong; undefined on systems without user ids (Windows). */
export const currentUserId = (): number | undefined => process.geteuid?.()

/** Whether a mode lets other users in. */
export const isOpenToOthers = ({ mode }: Pick<Stats, "mode">): boolean => (mode & otherUsers) !== 0

/** Whether a mode lets other users write. */
export const isWritableByOthers = ({ mode }: Pick<Stats, "mode">): boolean => (mode & otherUsers & 0o222) !== 0

/**
 * Whether other users can read or change a file that holds a secret. As in libpq, the group may read a file that belongs to
 * root. Pipes, and files that do not exist, are not open.
 */
export const isSecretExposed = (file: string): boolean => {
  if (currentUserId() === undefined) return false
  const found = statSync(file, { throwIfNoEntry: false })
  if (found?.isFile() !== true) return false
  return (found.mode & (found.uid === 0 ? 0o037 : otherUsers)) !== 0
}

/** A mode without the rights of other users. */
export const withoutOtherUsers = (mode: number): number => mode & ~otherUsers

/** Creates a folder that only its user may enter, whatever the umask is. Fails with EEXIST where there is something. */
export const createPrivateFolder = async (folder: string): Promise<void> => {
  await mkdir(folder, { mode: privateFolderMode })
  // The umask may have removed the owner's own rights.
  if (((await lstat(folder)).mode & privateFolderMode) !== privateFolderMode) await chmod(folder, privateFolderMode)
}

/** Gives a file that this process has just created its mode, whatever the umask is. */
export const setPrivateMode = (handle: FileHandle): Promise<void> => handle.chmod(privateFileMode)

/** A file that cannot be closed to other users. */
export class PermissionsUnsupported extends Error {
  constructor(path: string) {
    super(
      `${JSON.stringify(path)} stays open to other users: its file system keeps no permissions. Choose a directory on ` +
        "another file system, or mount this one for one user (uid=…, umask=077)"
    )
  }
}

/** What `chmod` says on file systems without permissions: FAT, and mounts that show every file with one mode. */
const noModes = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"])

/**
 * Removes the rights of other users from a file or folder, and returns whether it had any. A symbolic link is not followed
 * unless `isFollowed`. Throws `StaysOpen` where the file system keeps no permissions.
 */
export const removeOthersAccess = (path: string, isFollowed = false): boolean => {
  // Through a handle: what another user may have put in that place meanwhile keeps its mode.
  const handle = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | (isFollowed ? 0 : constants.O_NOFOLLOW))
  try {
    const found = fstatSync(handle)
    if (!isOpenToOthers(found)) return false
    try {
      fchmodSync(handle, withoutOtherUsers(found.mode & 0o7777))
    } catch (error) {
      // Its owner may always change a mode, where there are modes.
      if (!noModes.has(fileErrorCode(error) ?? "")) throw error
    }
    if (isOpenToOthers(fstatSync(handle))) throw new PermissionsUnsupported(path)
    return true
  } finally {
    closeSync(handle)
  }
}
