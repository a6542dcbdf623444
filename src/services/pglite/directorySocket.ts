import { createHash, randomBytes } from "node:crypto"
import { chmod, lstat, realpath, rename, rm, rmdir } from "node:fs/promises"
import { tmpdir } from "node:os"
import { isAbsolute, join } from "node:path"
import { fileErrorCode } from "../files/fileErrors.ts"
import { closeToOthers, isOpen, makePrivateFolder, ownUser, privateFile } from "../files/privateFiles.ts"
import { isUnreachable } from "./shortPath.ts"

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
  const user = ownUser()
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
  ].filter(({ path }) => !isUnreachable(path))
}

/** Whether a folder is this user's alone: nobody else may have put a socket there, or may reach one. */
export const isPrivate = async (folder: string): Promise<boolean> => {
  const found = await lstat(folder).catch(() => undefined)
  return found !== undefined && found.isDirectory() && found.uid === ownUser() && !isOpen(found)
}

/** A place that cannot have a socket. */
export class PlaceRefused extends Error {}

/** Makes the folder, and takes away what is left of an earlier socket. Only for whoever holds the directory. */
export const makePlace = async (place: SocketPlace): Promise<void> => {
  const { folder, isOwn, path } = place
  if (isOwn && !(await isPrivate(folder))) await rm(folder, { recursive: true, force: true }).catch(() => undefined)
  await makePrivateFolder(folder).catch((error: unknown) => {
    if (fileErrorCode(error) !== "EEXIST") throw error
  })
  const problem = await takenPlace(place)
  if (problem !== undefined) throw new PlaceRefused(problem)
  closeToOthers(folder)
  await rm(path, { recursive: true, force: true })
}

/** Why a folder cannot be this user's, if so: something of another user is in its place. */
const takenPlace = async ({ folder }: SocketPlace): Promise<string | undefined> => {
  const found = await lstat(folder).catch(() => undefined)
  if (found === undefined || (found.isDirectory() && found.uid === ownUser())) return undefined
  const name = JSON.stringify(folder)
  return found.uid === ownUser()
    ? `${name} is not a folder, and is in the place of one for the socket. Remove it.`
    : `${name}, the folder for the socket, belongs to user ${found.uid}, and this process runs as user ${ownUser()}. ` +
        "Let that user or an administrator remove it."
}

/**
 * Names what other users have put in the places of a directory's socket, up to the place that has a socket. Undefined when
 * there is nothing.
 */
export const socketProblem = async (directory: string): Promise<string | undefined> => {
  const problems: Array<string> = []
  for (const place of await socketPlaces(directory)) {
    const problem = await takenPlace(place)
    if (problem !== undefined) problems.push(problem)
    else if ((await isPrivate(place.folder)) && (await lstat(place.path).catch(() => undefined)) !== undefined) break
  }
  return problems.length === 0 ? undefined : problems.join(" ")
}

/** Lets only this user connect, also where the folder would let others, and gives the socket its final path. */
export const publish = async ({ draft, path }: SocketPlace): Promise<void> => {
  await chmod(draft, privateFile)
  // Node removes the path that it listened on, later and without checking what is there by then.
  await rename(draft, path)
}

/** Removes the socket, and the folder if it is the directory's own. Only while this process holds the directory. */
export const removePlace = async ({ folder, isOwn, path }: SocketPlace): Promise<void> => {
  await rm(path, { force: true })
  if (isOwn) await rmdir(folder)
}
