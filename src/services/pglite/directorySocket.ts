import { createHash, randomBytes } from "node:crypto"
import { constants } from "node:fs"
import { chmod, lstat, open, realpath, rename, rm, rmdir } from "node:fs/promises"
import { tmpdir } from "node:os"
import { basename, dirname, isAbsolute, join } from "node:path"
import { fileErrorCode } from "../files/fileErrors.ts"
import {
  removeOthersAccess,
  isOpenToOthers,
  createPrivateFolder,
  currentUserId,
  privateFileMode
} from "../files/privateFiles.ts"

/** Bytes of a path that every system takes for a socket's: 103 on BSD and macOS, 107 on Linux. */
const longestPath = 103

/** Whether a path is too long for a socket, and this system has no shorter one for it. */
const isTooLongForSocket = (file: string): boolean =>
  Buffer.byteLength(file) > longestPath && process.platform !== "linux"

/** A path of a socket that the system takes, until it is closed. */
interface ShortPath {
  readonly path: string
  readonly close: () => Promise<void>
}

/** A path to the same file that is short enough: Linux reaches a folder by the number under which it is open. */
export const openShortPath = async (file: string): Promise<ShortPath> => {
  if (Buffer.byteLength(file) <= longestPath) return { path: file, close: () => Promise.resolve() }
  const folder = await open(dirname(file), constants.O_RDONLY | constants.O_DIRECTORY)
  return { path: `/proc/self/fd/${folder.fd}/${basename(file)}`, close: () => folder.close() }
}

/** Gives `use` such a path, for as long as it takes. */
export const withShortPath = async <A>(file: string, use: (path: string) => Promise<A>): Promise<A> => {
  const short = await openShortPath(file)
  try {
    return await use(short.path)
  } finally {
    await short.close()
  }
}

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

/**
 * Where the socket of a directory may be, the best place first: inside of it, else in a folder of the user's for temporary
 * files, else in the user's runtime directory (`XDG_RUNTIME_DIR`), which no other user can enter. None where there are no
 * users to tell apart.
 */
export const socketPlaces = async (directory: string): Promise<ReadonlyArray<SocketPlace>> => {
  const user = currentUserId()
  if (user === undefined) return []
  const real = await realpath(directory)
  const digest = createHash("sha256").update(real).digest("hex").slice(0, 32)
  // No longer than the names above.
  const draft = randomBytes(6).toString("hex")
  const outside = (folder: string): SocketPlace => ({
    folder,
    path: join(folder, digest),
    draft: join(folder, draft),
    isOwn: false
  })
  const inside = join(real, socketFolder)
  const runtime = process.env["XDG_RUNTIME_DIR"]
  return [
    { folder: inside, path: join(inside, socketName), draft: join(inside, draft), isOwn: true },
    outside(join(tmpdir(), `mosaic-backlog-${user}`)),
    ...(runtime !== undefined && isAbsolute(runtime) ? [outside(join(runtime, "mosaic-backlog"))] : [])
  ].filter(({ path }) => !isTooLongForSocket(path))
}

/** Whether a folder is this user's alone: nobody else may have put a socket there, or may reach one. */
export const isPrivateFolder = async (folder: string): Promise<boolean> => {
  const found = await lstat(folder).catch(() => undefined)
  return found !== undefined && found.isDirectory() && found.uid === currentUserId() && !isOpenToOthers(found)
}

/** A place that cannot have a socket. */
export class SocketPlaceRefused extends Error {}

/** Makes the folder, and takes away what is left of an earlier socket. Only for whoever holds the directory. */
export const prepareSocketPlace = async (place: SocketPlace): Promise<void> => {
  const { folder, isOwn, path } = place
  if (isOwn && !(await isPrivateFolder(folder)))
    await rm(folder, { recursive: true, force: true }).catch(() => undefined)
  await createPrivateFolder(folder).catch((error: unknown) => {
    if (fileErrorCode(error) !== "EEXIST") throw error
  })
  const problem = await findPlaceConflict(place)
  if (problem !== undefined) throw new SocketPlaceRefused(problem)
  removeOthersAccess(folder)
  await rm(path, { recursive: true, force: true })
}

/** Why a folder cannot be this user's, if so: something of another user is in its place. */
const findPlaceConflict = async ({ folder }: SocketPlace): Promise<string | undefined> => {
  const found = await lstat(folder).catch(() => undefined)
  if (found === undefined || (found.isDirectory() && found.uid === currentUserId())) return undefined
  const name = JSON.stringify(folder)
  return found.uid === currentUserId()
    ? `${name} is not a folder, and is in the place of one for the socket. Remove it.`
    : `${name}, the folder for the socket, belongs to user ${found.uid}, and this process runs as user ${currentUserId()}. ` +
        "Let that user or an administrator remove it."
}

/**
 * Names what other users have put in the places of a directory's socket, up to the place that has a socket. Undefined when
 * there is nothing.
 */
export const findSocketProblem = async (directory: string): Promise<string | undefined> => {
  const problems: Array<string> = []
  for (const place of await socketPlaces(directory)) {
    const problem = await findPlaceConflict(place)
    if (problem !== undefined) problems.push(problem)
    else if ((await isPrivateFolder(place.folder)) && (await lstat(place.path).catch(() => undefined)) !== undefined)
      break
  }
  return problems.length === 0 ? undefined : problems.join(" ")
}

/** Lets only this user connect, also where the folder would let others, and gives the socket its final path. */
export const publishSocket = async ({ draft, path }: SocketPlace): Promise<void> => {
  await chmod(draft, privateFileMode)
  // Node removes the path that it listened on, later and without checking what is there by then.
  await rename(draft, path)
}

/** Removes the socket, and the folder if it is the directory's own. Only while this process holds the directory. */
export const removeSocketPlace = async ({ folder, isOwn, path }: SocketPlace): Promise<void> => {
  await rm(path, { force: true })
  if (isOwn) await rmdir(folder)
}
