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

/** The longest path of a socket on every system, in bytes: 103 on BSD and macOS, 107 on Linux. */
const maxPathBytes = 103

/** Whether a path is too long for a socket, and this system has no shorter path to the same file. */
const isTooLongForSocket = (file: string): boolean =>
  Buffer.byteLength(file) > maxPathBytes && process.platform !== "linux"

/** A path that is short enough for a socket, and is valid until it is closed. */
interface ShortPath {
  readonly path: string
  readonly close: () => Promise<void>
}

/** Opens a path to the same file that is short enough for a socket. Linux has a path to each folder that is open. */
export const openShortPath = async (file: string): Promise<ShortPath> => {
  if (Buffer.byteLength(file) <= maxPathBytes) return { path: file, close: () => Promise.resolve() }
  const folder = await open(dirname(file), constants.O_RDONLY | constants.O_DIRECTORY)
  return { path: `/proc/self/fd/${folder.fd}/${basename(file)}`, close: () => folder.close() }
}

/** Calls `use` with a path that is short enough for a socket. */
export const withShortPath = async <A>(file: string, use: (path: string) => Promise<A>): Promise<A> => {
  const short = await openShortPath(file)
  try {
    return await use(short.path)
  } finally {
    await short.close()
  }
}

/** A place for a directory's socket: a folder that only the user may enter, and the path of the socket in it. */
export interface SocketPlace {
  readonly folder: string
  readonly path: string
  /** An unused path in the folder, at which the socket is created before it is moved to its final path. */
  readonly draft: string
  /** Whether the folder is inside the directory, so that the holder may replace it. */
  readonly isOwn: boolean
}

/** The folder inside a directory that holds its socket. */
export const socketFolder = "backlog.socket"

/** The name that Postgres's own clients look for. */
const socketName = ".s.PGSQL.5432"

/**
 * The places where the socket of a directory can be, in the order of preference: inside the directory, in a folder of
 * the user among the temporary files, and in the user's runtime directory (`XDG_RUNTIME_DIR`), which no other user can
 * enter. None on systems without user ids.
 */
export const listSocketPlaces = async (directory: string): Promise<ReadonlyArray<SocketPlace>> => {
  const user = currentUserId()
  if (user === undefined) return []
  const real = await realpath(directory)
  const digest = createHash("sha256").update(real).digest("hex").slice(0, 32)
  // Not longer than the final names.
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

/** Whether only this user can enter a folder, and create or reach a socket in it. */
export const isPrivateFolder = async (folder: string): Promise<boolean> => {
  const found = await lstat(folder).catch(() => undefined)
  return found !== undefined && found.isDirectory() && found.uid === currentUserId() && !isOpenToOthers(found)
}

/** A place where no socket can be created. */
export class SocketPlaceRefused extends Error {}

/** Creates the folder, and removes the socket of an earlier holder. Only the holder of the directory may call this. */
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

/**
 * Describes what is in the place of the folder: a file, or a folder of another user. `undefined` when there is nothing.
 */
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
 * Describes what is in the way of a directory's socket, in every place up to the one that has the socket. `undefined`
 * when there is nothing.
 */
export const findSocketProblem = async (directory: string): Promise<string | undefined> => {
  const problems: Array<string> = []
  for (const place of await listSocketPlaces(directory)) {
    const problem = await findPlaceConflict(place)
    if (problem !== undefined) problems.push(problem)
    else if ((await isPrivateFolder(place.folder)) && (await lstat(place.path).catch(() => undefined)) !== undefined)
      break
  }
  return problems.length === 0 ? undefined : problems.join(" ")
}

/** Restricts the socket to this user, whatever the folder allows, and moves it to its final path. */
export const publishSocket = async ({ draft, path }: SocketPlace): Promise<void> => {
  await chmod(draft, privateFileMode)
  // Node later removes the path that it listened on, without checking which file is there.
  await rename(draft, path)
}

/** Removes the socket, and the folder if it is inside the directory. Only the holder of the directory may call this. */
export const removeSocketPlace = async ({ folder, isOwn, path }: SocketPlace): Promise<void> => {
  await rm(path, { force: true })
  if (isOwn) await rmdir(folder)
}
