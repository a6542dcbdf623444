import { createHash, randomBytes } from "node:crypto"
import { chmod, lstat, mkdir, realpath, rename, rm, rmdir } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** A place for a directory's socket: a folder that only its user may enter, and the socket in it. */
export interface SocketPlace {
  readonly folder: string
  readonly path: string
  /** Another path in the folder, at which nothing else is: the socket is made there, and moved when it is ready. */
  readonly draft: string
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
  // No longer than the names above.
  const draft = randomBytes(6).toString("hex")
  return [
    { folder: inside, path: join(inside, socketName), draft: join(inside, draft), isOwn: true },
    { folder: outside, path: join(outside, digest), draft: join(outside, draft), isOwn: false }
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

/** Lets only this user connect, also where the folder would let others, and gives the socket its final path. */
export const publish = async ({ draft, path }: SocketPlace): Promise<void> => {
  await chmod(draft, 0o600)
  // Node removes the path that it listened on, later and without checking what is there by then.
  await rename(draft, path)
}

/** Removes the socket, and the folder if it is the directory's own. Only while this process holds the directory. */
export const removePlace = async ({ folder, isOwn, path }: SocketPlace): Promise<void> => {
  await rm(path, { force: true })
  if (isOwn) await rmdir(folder)
}
