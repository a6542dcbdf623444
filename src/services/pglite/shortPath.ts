import { constants } from "node:fs"
import { open } from "node:fs/promises"
import { basename, dirname } from "node:path"

/** Bytes of a path that every system takes for a socket's: 103 on BSD and macOS, 107 on Linux. */
const longestPath = 103

/** Whether a path is too long for a socket, and this system has no shorter one for it. */
export const isUnreachable = (file: string): boolean =>
  Buffer.byteLength(file) > longestPath && process.platform !== "linux"

/** A path of a socket that the system takes, until it is closed. */
export interface ShortPath {
  readonly path: string
  readonly close: () => Promise<void>
}

/** A path to the same file that is short enough: Linux reaches a folder by the number under which it is open. */
export const shortPathOf = async (file: string): Promise<ShortPath> => {
  if (Buffer.byteLength(file) <= longestPath) return { path: file, close: () => Promise.resolve() }
  const folder = await open(dirname(file), constants.O_RDONLY | constants.O_DIRECTORY)
  return { path: `/proc/self/fd/${folder.fd}/${basename(file)}`, close: () => folder.close() }
}

/** Gives `use` such a path, for as long as it takes. */
export const throughShortPath = async <A>(file: string, use: (path: string) => Promise<A>): Promise<A> => {
  const short = await shortPathOf(file)
  try {
    return await use(short.path)
  } finally {
    await short.close()
  }
}
