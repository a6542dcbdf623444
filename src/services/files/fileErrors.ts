import { constants } from "node:os"

/** The meaning of each error code of file operations, and what to do about it. */
const meanings: Readonly<Record<string, string>> = {
  EACCES: "this user may not read or write there; change its permissions or choose another",
  EPERM: "this user may not write there; change its permissions or choose another",
  EROFS: "it is on a read-only file system; choose another",
  ENOSPC: "no space is left on its file system; free some space, then try again",
  EDQUOT: "this user's disk quota is used up; free some space, then try again",
  EFBIG: "a file would exceed the size limit of its file system or of this process; raise the limit or choose another",
  ENOTDIR: "it, or a part of its path, is a file; choose another",
  EISDIR: "a directory is in the place of one of its files; restore it from a backup, or choose another",
  EEXIST: "it is a file; choose another",
  ENOENT: "it cannot be created, or was removed meanwhile; choose another",
  ENOTEMPTY: "another process is writing there; try again",
  EMFILE: "this process has too many open files; raise its limit (ulimit -n), then try again",
  ENFILE: "the system has too many open files; close some programs, then try again",
  ENOMEM: "the system has no memory left; close some programs, then try again",
  EIO: "its disk reports an error; check the disk, then restore from a backup if files are damaged",
  ENXIO: "its disk is not available; check the disk, then try again",
  ENODEV: "its disk is not available; check the disk, then try again",
  ENAMETOOLONG: "its path is too long; choose a shorter one",
  ELOOP: "its path has too many symbolic links, or a circle of them; choose another",
  ESTALE: "its network file system lost it; mount it again, then try again",
  ETIMEDOUT: "its network file system does not respond; check the file server, then try again",
  EHOSTDOWN: "its network file system does not respond; check the file server, then try again",
  EINVAL: "its file system refuses an operation that a database needs; choose another",
  ENOSYS: "its file system lacks an operation that a database needs; choose another",
  ENOTSUP: "its file system lacks an operation that a database needs; choose another",
  EBUSY: "its file system is in use by another program; try again",
  ETXTBSY: "its file system is in use by another program; try again",
  EAGAIN: "the system is out of a resource; try again"
}

/**
 * Error numbers of the WASI interface, which the embedded engine uses instead of those of the operating system.
 * https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#errno
 */
const engineCodes: Readonly<Record<number, string>> = {
  2: "EACCES",
  6: "EAGAIN",
  10: "EBUSY",
  19: "EDQUOT",
  20: "EEXIST",
  22: "EFBIG",
  28: "EINVAL",
  29: "EIO",
  31: "EISDIR",
  32: "ELOOP",
  33: "EMFILE",
  37: "ENAMETOOLONG",
  41: "ENFILE",
  43: "ENODEV",
  44: "ENOENT",
  48: "ENOMEM",
  51: "ENOSPC",
  52: "ENOSYS",
  54: "ENOTDIR",
  55: "ENOTEMPTY",
  60: "ENXIO",
  63: "EPERM",
  69: "EROFS",
  72: "ESTALE",
  73: "ETIMEDOUT",
  74: "ETXTBSY",
  138: "ENOTSUP",
  142: "EHOSTDOWN"
}

/** Returns the code of a failed file operation, such as `ENOSPC`; `undefined` for an error without one. */
export const fileErrorCode = (cause: unknown): string | undefined => {
  if (typeof cause !== "object" || cause === null) return undefined
  const { code, errno, name } = cause as { readonly code?: unknown; readonly errno?: unknown; readonly name?: unknown }
  if (typeof code === "string") return code
  if (typeof errno !== "number") return undefined
  if (name === "ErrnoError") return engineCodes[errno]
  return Object.entries(constants.errno).find(([, number]) => number === Math.abs(errno))?.[0]
}

/** Messages of the C library in which Postgres reports a failed file operation. */
const engineTexts: ReadonlyArray<readonly [RegExp, string]> = [
  [/No space left on device/i, "ENOSPC"],
  [/(?:Disk )?quota exceeded/i, "EDQUOT"],
  [/Read-only file system/i, "EROFS"],
  [/Permission denied/i, "EACCES"],
  [/Operation not permitted/i, "EPERM"],
  [/(?:No file descriptors available|Too many open files)/i, "EMFILE"],
  [/I\/O error|Input\/output error/i, "EIO"],
  [/File too large/i, "EFBIG"],
  [/Out of memory/i, "ENOMEM"],
  [/Stale file handle/i, "ESTALE"]
]

/** The codes of operations that failed because of the disk or the rights on it. Nothing is damaged. */
const diskCodes = new Set(
  "EACCES EPERM EROFS ENOSPC EDQUOT EFBIG EMFILE ENFILE ENOMEM ESTALE ETIMEDOUT EHOSTDOWN".split(" ")
)

/** Whether an error is about the disk or the rights on it, and not about the content of files. */
export const isDiskError = (cause: unknown): boolean => diskCodes.has(findCode(cause) ?? "")

/**
 * Explains a failed file operation in words. Accepts any thrown value: errors of Node and of the embedded engine's file
 * system, and texts of Postgres. For an error with a cause, explains the innermost cause.
 */
export const explainFileError = (cause: unknown): string => {
  const message = errorMessage(cause)
  const code = findCode(cause)
  const meaning = code === undefined ? undefined : meanings[code]
  if (meaning === undefined) return message
  return `${meaning} (${message === "" || message === code ? code : message})`
}

const findCode = (cause: unknown): string | undefined =>
  codeOf(cause) ?? engineTexts.find(([pattern]) => pattern.test(errorMessage(cause)))?.[1]

const codeOf = (cause: unknown): string | undefined => {
  const code = fileErrorCode(cause)
  if (code !== undefined && code in meanings) return code
  return cause instanceof Error && cause.cause !== undefined ? codeOf(cause.cause) : code
}

/**
 * Returns a message for any thrown value. The embedded engine throws objects that are not errors and have no message.
 */
export const errorMessage = (cause: unknown): string => {
  if (cause instanceof Error && cause.message !== "") return cause.message
  const code = fileErrorCode(cause)
  if (code !== undefined) return code
  if (typeof cause !== "object" || cause === null) return String(cause)
  const { errno, message, name, status } = cause as Readonly<Record<string, unknown>>
  if (typeof message === "string" && message !== "") return message
  if (typeof errno === "number") return `error number ${errno} of the embedded engine's file system`
  if (typeof status === "number") return `the embedded engine ended with status ${status}`
  return typeof name === "string" ? name : "the embedded engine failed without a message"
}
