import { Schema } from "effect"
import { chmod, stat, unlink } from "node:fs/promises"
import { connect, createServer } from "node:net"
import { basename, join } from "node:path"
import { fileErrorCode } from "../files/fileErrors.ts"
import { privateFileMode } from "../files/privateFiles.ts"
import { withShortPath } from "./directorySocket.ts"

/** Identifies a file on this machine: the numbers of its device and inode, which have 64 bits, as text. */
export const FileIdentity = Schema.Struct({ dev: Schema.String, ino: Schema.String })

/** Identifies a file on this machine. */
export interface FileIdentity extends Schema.Schema.Type<typeof FileIdentity> {}

/** A socket on which a process listens for as long as it may write to the directory. */
export const LivenessSocket = Schema.Struct({ name: Schema.String, ...FileIdentity.fields })

/** A socket on which a process listens for as long as it may write to the directory. */
export interface LivenessSocket extends Schema.Schema.Type<typeof LivenessSocket> {}

/** A liveness socket on which this process listens. */
export interface OpenLivenessSocket {
  readonly identity: LivenessSocket
  /** Stops listening, which says that this process writes nothing more. */
  readonly close: () => Promise<void>
}

/**
 * - `listening`: the process listens.
 * - `answering`: the process listens and has responded.
 * - `ended`: the process certainly does not listen any more.
 * - `unknown`: the socket is missing, is another one, or refuses this user.
 */
export type LivenessState = "listening" | "answering" | "ended" | "unknown"

const suffix = ".live"

/** How long a probe waits for an answer, in milliseconds. A process that takes longer counts as listening. */
const answerMillis = 1_000

/** Whether a file name is that of a liveness socket. */
export const isLivenessSocketName = (name: string): boolean => name.endsWith(suffix)

/**
 * Listens on a new socket at `path` plus the suffix. Returns `undefined` where such sockets do not exist or prove
 * nothing.
 */
export const openLivenessSocket = async (path: string): Promise<OpenLivenessSocket | undefined> => {
  // Other systems do not identify a boot, without which a socket that has no listener proves nothing.
  if (process.platform !== "linux") return undefined
  const file = `${path}${suffix}`
  try {
    return await withShortPath(file, async (short) => {
      const server = createServer((socket) => {
        socket.on("error", () => undefined)
        // Not `end`: a process that is stopped would never close its side, and `server.close` would wait for it.
        socket.destroySoon()
      })
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject)
        server.listen(short, resolve)
      })
      server.unref()
      await chmod(file, privateFileMode)
      const close = async () => {
        await new Promise<void>((resolve) => server.close(() => resolve()))
        // Node removes the path that it was given, which may be a short one.
        await unlink(file).catch(() => undefined)
      }
      const identity = { name: basename(file), ...(await readFileIdentity(file)) }
      if ((await tryToConnect(short, false)) === "listening") return { identity, close }
      await close()
      return undefined
    })
  } catch {
    return undefined
  }
}

export const readFileIdentity = async (path: string): Promise<FileIdentity> => {
  const { dev, ino } = await stat(path, { bigint: true })
  return { dev: String(dev), ino: String(ino) }
}

/**
 * Checks whether a process listens on its liveness socket. The process must have started since this machine booted.
 * With `waitsForAnswer`, waits up to one second for an answer.
 */
export const probeLivenessSocket = async (
  directory: string,
  socket: LivenessSocket,
  waitsForAnswer = false
): Promise<LivenessState> => {
  // Where one file system is mounted twice, it has two sockets. Only the same device and inode are the same socket.
  if (!(await isInPlace(directory, socket))) return "unknown"
  return withShortPath(join(directory, socket.name), (path) => tryToConnect(path, waitsForAnswer)).catch(
    () => "unknown" as const
  )
}

/** Whether the file of a liveness socket is in the directory. */
export const isInPlace = async (directory: string, { dev, ino, name }: LivenessSocket): Promise<boolean> => {
  const found = await readFileIdentity(join(directory, name)).catch(() => undefined)
  return found?.dev === dev && found.ino === ino
}

/** Whether a liveness socket in a directory that this process holds was left by a process that has ended. */
export const isAbandonedLivenessSocket = async (path: string): Promise<boolean> =>
  (await withShortPath(path, (short) => tryToConnect(short, false)).catch(() => "unknown")) === "ended"

const tryToConnect = (path: string, waitsForAnswer: boolean): Promise<LivenessState> =>
  new Promise((resolve) => {
    const socket = connect({ path })
    const timer = setTimeout(() => end("listening"), answerMillis)
    const end = (state: LivenessState) => {
      clearTimeout(timer)
      socket.destroy()
      resolve(state)
    }
    socket.on("connect", () => {
      if (!waitsForAnswer) end("listening")
    })
    socket.on("end", () => end("answering"))
    socket.on("data", () => undefined)
    socket.on("error", (error) => {
      const code = fileErrorCode(error)
      // EAGAIN is a full queue of connections, so a process listens.
      end(code === "ECONNREFUSED" ? "ended" : code === "EAGAIN" ? "listening" : "unknown")
    })
  })
