import { closeSync, constants, fchmodSync, fstatSync, openSync, statSync, type Stats } from "node:fs"
import { chmod, lstat, mkdir, type FileHandle } from "node:fs/promises"
import { fileErrorCode } from "./fileErrors.ts"

/** The mode of a file that only its user may read and write. */
export const privateFileMode = 0o600

/** The mode of a folder that only its user may enter. */
export const privateFolderMode = 0o700

/** The bits of a mode for other users: the group and everyone. */
const otherUsers = 0o077

/** The user id that owns the files that this process creates. `undefined` on systems without user ids (Windows). */
export const currentUserId = (): number | undefined => process.geteuid?.()

/** Whether a mode gives other users any right. */
export const isOpenToOthers = ({ mode }: Pick<Stats, "mode">): boolean => (mode & otherUsers) !== 0

/** Whether a mode lets other users write. */
export const isWritableByOthers = ({ mode }: Pick<Stats, "mode">): boolean => (mode & otherUsers & 0o222) !== 0

/**
 * Whether other users can read or change a file that contains a secret. As in libpq, the group may read a file that
 * belongs to root. `false` for pipes and for files that do not exist.
 */
export const isSecretExposed = (file: string): boolean => {
  if (currentUserId() === undefined) return false
  const found = statSync(file, { throwIfNoEntry: false })
  if (found?.isFile() !== true) return false
  return (found.mode & (found.uid === 0 ? 0o037 : otherUsers)) !== 0
}

/** A mode without the rights of other users. */
export const withoutOtherUsers = (mode: number): number => mode & ~otherUsers

/** Creates a folder that only its user may enter, whatever the umask is. Fails with EEXIST when the path exists. */
export const createPrivateFolder = async (folder: string): Promise<void> => {
  await mkdir(folder, { mode: privateFolderMode })
  // The umask may have removed the owner's own rights.
  if (((await lstat(folder)).mode & privateFolderMode) !== privateFolderMode) await chmod(folder, privateFolderMode)
}

/** Sets the mode of a file that this process has created, whatever the umask is. */
export const setPrivateMode = (handle: FileHandle): Promise<void> => handle.chmod(privateFileMode)

/** The rights of other users cannot be removed from a file. */
export class PermissionsUnsupported extends Error {
  constructor(path: string) {
    super(
      `${JSON.stringify(path)} stays open to other users: its file system keeps no permissions. Choose a directory on ` +
        "another file system, or mount this one for one user (uid=…, umask=077)"
    )
  }
}

/** The errors of `chmod` on file systems without permissions: FAT, and mounts that give every file the same mode. */
const noModes = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"])

/**
 * Removes the rights of other users from a file or folder, and returns whether they had any. Follows a symbolic link
 * only with `isFollowed`. Throws `PermissionsUnsupported` on a file system without permissions.
 */
export const removeOthersAccess = (path: string, isFollowed = false): boolean => {
  // Through a handle: a file that another user puts in that place meanwhile keeps its mode.
  const handle = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | (isFollowed ? 0 : constants.O_NOFOLLOW))
  try {
    const found = fstatSync(handle)
    if (!isOpenToOthers(found)) return false
    try {
      fchmodSync(handle, withoutOtherUsers(found.mode & 0o7777))
    } catch (error) {
      // The owner of a file may always change its mode, so such an error says that there are no modes.
      if (!noModes.has(fileErrorCode(error) ?? "")) throw error
    }
    if (isOpenToOthers(fstatSync(handle))) throw new PermissionsUnsupported(path)
    return true
  } finally {
    closeSync(handle)
  }
}
