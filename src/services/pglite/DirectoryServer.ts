import { Effect, type Scope } from "effect"
import { createServer, type Server, type Socket } from "node:net"
import { DirectoryLost } from "../files/directoryErrors.ts"
import type { DirectoryOwnership } from "./DirectoryOwnership.ts"
import {
  findSocketProblem,
  prepareSocketPlace,
  publishSocket,
  removeSocketPlace,
  type SocketPlace,
  SocketPlaceRefused,
  listSocketPlaces,
  withShortPath
} from "./directorySocket.ts"
import type { TransactionPooler } from "./TransactionPooler.ts"
import { shutdownNotice } from "./wireMessages.ts"
import { WireSession } from "./WireSession.ts"

/** Maximum size of a message from another process, in bytes: far more than any statement of a backlog. */
const largestMessage = 64 * 1024 * 1024

/** How long a connection may take to send its startup message. */
const startupMillis = 10_000

/** Maximum number of connections. Further connections are closed, and their clients retry. */
const maxConnections = 256

/** How long after the start of a shutdown the clients that are still connected are asked to disconnect. */
const noticeMillis = 1_000

/** How long after the start of a shutdown the remaining connections are closed. */
const shutdownMillis = 10_000

/**
 * Serves the database of a directory that this process holds to other processes of the same user, over a Unix socket
 * that uses the protocol of a Postgres server. When the scope closes, the server accepts no new connections and lets
 * clients finish for up to 10 seconds. Then it closes the remaining connections, and their transactions are rolled
 * back. Where no such socket can be created, other processes wait for the directory's lock.
 */
export const serveDirectory = (
  directory: string,
  pooler: TransactionPooler,
  ownership: DirectoryOwnership
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const places = yield* Effect.promise(() => listSocketPlaces(directory).catch(() => []))
    for (const place of places) {
      const server = new DirectoryServer(pooler, ownership)
      const isServed = yield* Effect.acquireRelease(
        Effect.tryPromise(() => server.open(place)),
        () => Effect.promise(() => server.close())
      ).pipe(
        Effect.as(true),
        Effect.catch(({ cause }) =>
          Effect.as(
            cause instanceof SocketPlaceRefused
              ? Effect.logWarning(cause.message)
              : Effect.annotateLogs(Effect.logDebug(`No socket at ${place.path}.`), { error: cause }),
            false
          )
        )
      )
      if (isServed) return
    }
    const notServed = `Other processes have to wait for ${directory}: it has no place for a socket.`
    const problem = yield* Effect.promise(() => findSocketProblem(directory).catch(() => undefined))
    yield* problem === undefined ? Effect.logDebug(notServed) : Effect.logWarning(notServed)
  })

class DirectoryServer {
  private readonly pooler: TransactionPooler
  private readonly ownership: DirectoryOwnership
  private readonly server: Server
  private readonly connections = new Map<Socket, WireSession>()
  private place: SocketPlace | undefined
  private isClosing = false
  private onEmpty: (() => void) | undefined

  constructor(pooler: TransactionPooler, ownership: DirectoryOwnership) {
    this.pooler = pooler
    this.ownership = ownership
    this.server = createServer((socket) => this.accept(socket))
    this.server.maxConnections = maxConnections
  }

  async open(place: SocketPlace): Promise<void> {
    await prepareSocketPlace(place)
    const listen = (path: string) =>
      new Promise<void>((resolve, reject) => {
        this.server.once("error", reject)
        this.server.listen(path, resolve)
      })
    try {
      await withShortPath(place.draft, listen)
    } catch (error) {
      await removeSocketPlace(place).catch(() => undefined)
      throw error
    }
    // A program that does not close its layers must still be able to exit.
    this.server.unref()
    try {
      await publishSocket(place)
    } catch (error) {
      this.server.close()
      throw error
    }
    this.place = place
  }

  async close(): Promise<void> {
    if (this.place === undefined) return
    this.isClosing = true
    this.server.close()
    // When the directory is lost, the file at that path belongs to the next holder.
    if (!this.ownership.isLost) await removeSocketPlace(this.place).catch(() => undefined)
    // A client whose session has not started has sent nothing, and connects to the next holder.
    for (const [socket, { isStarted }] of this.connections) if (!isStarted || this.pooler.isClosed) socket.destroy()
    if (this.connections.size === 0) return
    const notice = setTimeout(() => {
      for (const socket of this.connections.keys()) socket.write(shutdownNotice)
    }, noticeMillis)
    const shutdown = setTimeout(() => {
      for (const socket of this.connections.keys()) socket.destroy()
    }, shutdownMillis)
    await new Promise<void>((resolve) => {
      this.onEmpty = resolve
    })
    clearTimeout(notice)
    clearTimeout(shutdown)
  }

  private accept(socket: Socket): void {
    // Checked before the session starts: if the directory was moved here, the client connects to the next holder.
    if (this.isClosing || !this.pooler.checkEngine()) return void socket.destroy()
    const onEngineFailure = (error: Error) => {
      // The client receives the error, because its next connection may lead to another database.
      if (error instanceof DirectoryLost) session.refuse("58030", error.message)
      else socket.destroy()
    }
    const session: WireSession = new WireSession({
      pooler: this.pooler,
      program: socket,
      send: (bytes) => void socket.write(bytes),
      end: () => socket.destroySoon(),
      onEngineFailure,
      largestMessage,
      disconnectsWhenIdle: true
    })
    this.connections.set(socket, session)
    socket.unref()
    socket.setTimeout(startupMillis, () => {
      // Reads pending data first, because this process may have been busy.
      setImmediate(() => setImmediate(() => void (session.isStarted || socket.destroy())))
    })
    // "close" follows.
    socket.on("error", () => undefined)
    socket.on("close", () => {
      session.close()
      this.connections.delete(socket)
      if (this.connections.size === 0) this.onEmpty?.()
    })
    socket.on("data", (chunk) => {
      // Pauses until the response is written, so that a client that does not read cannot fill the memory.
      socket.pause()
      session.receive(chunk).then(() => {
        if (socket.writableNeedDrain) socket.once("drain", () => socket.resume())
        else socket.resume()
      }, onEngineFailure)
    })
  }
}
