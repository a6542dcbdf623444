import { Schema } from "effect"
import { chmod, stat, unlink } from "node:fs/promises"
import { connect, createServer } from "node:net"
import { basename, join } from "node:path"
import { fileErrorCode } from "../files/fileErrors.ts"
import { privateFileMode } from "../files/privateFiles.ts"
import { withShortPath } from "./directorySocket.ts"

/** A file, told apart from every other on this machine. Numbers of 64 bits, as text. */
export const FileIdentity = Schema.Struct({ dev: Schema.String, ino: Schema.String })

/** A file, told apart from every other on this machine. */
export interface FileIdentity extends Schema.Schema.Type<typeof FileIdentity> {}

/** A socket whose owner listens for as long as it may write to the directory. */
export const LivenessSocket = Schema.Struct({ name: Schema.String, ...FileIdentity.fields })

/** A socket whose owner listens for as long as it may write to the directory. */
export interface LivenessSocket extends Schema.Schema.Type<typeof LivenessSocket> {}

/** A life sign of this process. */
export interface OpenLivenessSocket {
  readonly sign: LivenessSocket
  /** Stops listening, which says that this process writes nothing more. */
  readonly close: () => Promise<void>
}

const suffix = ".live"

/** How long a holder may take to answer before it counts as busy, in milliseconds. */
const answerMillis = 1_000

/** Whether a file of this name is a life sign. */
export const isLivenessSocketName = (name: string): boolean => name.endsWith(suffix)

/** Begins to listen at `path`, which must be new, without the suffix. None where there are no such sockets. */
export const openLivenessSocket = async (path: string): Promise<OpenLivenessSocket | undefined> => {
  // On other systems there is no identity of a boot, and a socket without a listener proves nothing.
  if (process.platform !== "linux") return undefined
  const file = `${path}${suffix}`
  try {
    return await withShortPath(file, async (short) => {
      const server = createServer((socket) => {
        socket.on("error", () => undefined)
        // Not `end`: a process that was stopped would never end its side, and closing would wait for it.
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
        // Node removes the path that it listened on, which may have been a short one.
        await unlink(file).catch(() => undefined)
      }
      const sign = { name: basename(file), ...(await readFileIdentity(file)) }
      if ((await tryToConnect(short, false)) === "living") return { sign, close }
      await close()
      return undefined
    })
  } catch {
    return undefined
  }
}

/** The identity of a file. */
export const readFileIdentity = async (path: string): Promise<FileIdentity> => {
  const { dev, ino } = await stat(path, { bigint: true })
  return { dev: String(dev), ino: String(ino) }
}

/**
 * What a life sign says: `living` when its owner listens, `answering` when it also answered, `ended` when it certainly
 * listens no more, `unknown` when it cannot be told: the socket is missing or another one, or may not be connected to.
 * Only for signs of this boot of the machine. With `waitForAnswer`, waits up to a second for an answer.
 */
export const probeLivenessSocket = async (
  directory: string,
  sign: LivenessSocket,
  waitForAnswer = false
): Promise<"living" | "answering" | "ended" | "unknown"> => {
  // Where one file system is mounted twice, its sockets are different ones. Equal numbers: the very socket.
  if (!(await isInPlace(directory, sign))) return "unknown"
  return withShortPath(join(directory, sign.name), (path) => tryToConnect(path, waitForAnswer)).catch(
    () => "unknown" as const
  )
}

/** Whether a life sign is where it was made. */
export const isInPlace = async (directory: string, { dev, ino, name }: LivenessSocket): Promise<boolean> => {
  const found = await readFileIdentity(join(directory, name)).catch(() => undefined)
  return found?.dev === dev && found.ino === ino
}

/** Whether a life sign in a directory that this process holds is left over from a process that ended. */
export const isAbandonedLivenessSocket = async (path: string): Promise<boolean> =>
  (await withShortPath(path, (short) => tryToConnect(short, false)).catch(() => "unknown")) === "ended"

const tryToConnect = (path: string, waitForAnswer: boolean): Promise<"living" | "answering" | "ended" | "unknown"> =>
  new Promise((resolve) => {
    const socket = connect({ path })
    const timer = setTimeout(() => end("living"), answerMillis)
    const end = (state: "living" | "answering" | "ended" | "unknown") => {
      clearTimeout(timer)
      socket.destroy()
      resolve(state)
    }
    socket.on("connect", () => {
      if (!waitForAnswer) end("living")
    })
    socket.on("end", () => end("answering"))
    socket.on("data", () => undefined)
    socket.on("error", (error) => {
      const code = fileErrorCode(error)
      // A full queue of connections is a living listener's.
      end(code === "ECONNREFUSED" ? "ended" : code === "EAGAIN" ? "living" : "unknown")
    })
  })
