import { createHash } from "node:crypto"
import { chmod, lstat, mkdir, realpath, rm, rmdir } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** A place for a directory's socket: a folder that only its user may enter, and the socket in it. */
export interface SocketPlace {
  readonly folder: string
  readonly path: string
  /** Whether the folder is the directory's own, and may be replaced by whoever holds the directory. */
  readonly isOwn: boolean
}

/** The folder inside a directory that holds its socket. */
export const socketFolder = "backlog.socket"

/** As Postgres calls its sockets, so that its own clients find it. */
const socketName = ".s.PGSQL.5432"

/** Bytes of a path that every system takes for a socket's: 103 on BSD and macOS, 107 on Linux. */
const longestPath = 103

/**
 * Where the socket of a directory may be, the best place first: inside of it, else, where that path is too long, in a
 * folder of the user's for temporary files. None where there are no users to tell apart.
 */
export const socketPlaces = async (directory: string): Promise<ReadonlyArray<SocketPlace>> => {
  const user = process.getuid?.()
  if (user === undefined) return []
  const real = await realpath(directory)
  const inside = join(real, socketFolder)
  const outside = join(tmpdir(), `mosaic-backlog-${user}`)
  const digest = createHash("sha256").update(real).digest("hex").slice(0, 32)
  return [
    { folder: inside, path: join(inside, socketName), isOwn: true },
    { folder: outside, path: join(outside, digest), isOwn: false }
  ].filter(({ path }) => Buffer.byteLength(path) <= longestPath)
}

/** Whether a folder is this user's alone: nobody else may have put a socket there, or may reach one. */
export const isPrivate = async (folder: string): Promise<boolean> => {
  const found = await lstat(folder).catch(() => undefined)
  return found !== undefined && found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o077) === 0
}

/** Makes the folder, and takes away what is left of an earlier socket. Only for whoever holds the directory. */
export const makePlace = async ({ folder, isOwn, path }: SocketPlace): Promise<boolean> => {
  if (isOwn && !(await isPrivate(folder))) await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { mode: 0o700 }).catch(() => undefined)
  if (!(await isPrivate(folder))) return false
  await rm(path, { recursive: true, force: true })
  return true
}

/** Lets only this user connect, also where the folder would let others. */
export const protect = ({ path }: SocketPlace): Promise<void> => chmod(path, 0o600)

/** Takes the socket away, and the folder if it is the directory's own. */
export const removePlace = async ({ folder, isOwn, path }: SocketPlace): Promise<void> => {
  await rm(path, { force: true })
  if (isOwn) await rmdir(folder)
}
