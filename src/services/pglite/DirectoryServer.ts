import { Effect, type Scope } from "effect"
import { createServer, type Server, type Socket } from "node:net"
import { DirectoryLost } from "../files/directoryErrors.ts"
import type { DirectoryOwnership } from "./DirectoryOwnership.ts"
import type { TransactionPooler } from "./TransactionPooler.ts"
import { WireSession } from "./WireSession.ts"
import {
  prepareSocketPlace,
  SocketPlaceRefused,
  publishSocket,
  removeSocketPlace,
  type SocketPlace,
  socketPlaces,
  findSocketProblem,
  withShortPath
} from "./directorySocket.ts"
import { shutdownNotice } from "./wireMessages.ts"

/** Bytes of a message that another process may send: far more than any statement of a backlog has. */
const largestMessage = 64 * 1024 * 1024

/** How long a connection may take to introduce itself. */
const greetingMillis = 10_000

/** Connections at a time; more are turned away, and try again. */
const mostConnections = 256

/** How long those connected may go on by themselves when the holder is done, before they are asked to leave. */
const lingerMillis = 1_000

/** How long they may take altogether; then they are cut off. */
const farewellMillis = 10_000

/**
 * Lets other processes of the same user use the database of a directory that this one holds, over a Unix socket that
 * speaks the protocol of a Postgres server. When the scope closes it takes no new connections, lets those that it has
 * end, for 10 seconds at most, and cuts off the rest, whose transactions are rolled back. Where there can be no such
 * socket, others wait for the directory itself.
 */
export const serveDirectory = (
  directory: string,
  turns: TransactionPooler,
  owner: DirectoryOwnership
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const places = yield* Effect.promise(() => socketPlaces(directory).catch(() => []))
    for (const place of places) {
      const listener = new DirectoryListener(turns, owner)
      const isServed = yield* Effect.acquireRelease(
        Effect.tryPromise(() => listener.open(place)),
        () => Effect.promise(() => listener.close())
      ).pipe(
        Effect.as(true),
        Effect.catch(({ cause }) =>
          Effect.as(
            cause instanceof SocketPlaceRefused
              ? Effect.logWarning(cause.message)
              : Effect.logDebug(`No socket at ${place.path}.`, cause),
            false
          )
        )
      )
      if (isServed) return
    }
    const none = `Other processes have to wait for ${directory}: it has no place for a socket.`
    const problem = yield* Effect.promise(() => findSocketProblem(directory).catch(() => undefined))
    yield* problem === undefined ? Effect.logDebug(none) : Effect.logWarning(none)
  })

class DirectoryListener {
  private readonly turns: TransactionPooler
  private readonly server: Server
  private readonly connections = new Map<Socket, WireSession>()
  private place: SocketPlace | undefined
  private isClosing = false
  private whenEmpty: (() => void) | undefined
  private readonly owner: DirectoryOwnership

  constructor(turns: TransactionPooler, owner: DirectoryOwnership) {
    this.turns = turns
    this.owner = owner
    this.server = createServer((socket) => this.accept(socket))
    this.server.maxConnections = mostConnections
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
    // A program that forgets to close its layers ends nevertheless, as it does without this.
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
    // After a loss, what is at that path belongs to the next owner.
    if (!this.owner.isLost) await removeSocketPlace(this.place).catch(() => undefined)
    // A client that was not greeted yet has sent nothing, and finds the next holder. Without an engine none can be served.
    for (const [socket, { isStarted }] of this.connections) if (!isStarted || this.turns.isClosed) socket.destroy()
    if (this.connections.size === 0) return
    const ask = setTimeout(() => {
      for (const socket of this.connections.keys()) socket.write(shutdownNotice)
    }, lingerMillis)
    const cut = setTimeout(() => {
      for (const socket of this.connections.keys()) socket.destroy()
    }, farewellMillis)
    await new Promise<void>((resolve) => {
      this.whenEmpty = resolve
    })
    clearTimeout(ask)
    clearTimeout(cut)
  }

  private accept(socket: Socket): void {
    // Before it is greeted: a client of a directory that was moved here finds the next holder.
    if (this.isClosing || !this.turns.checkEngine()) return void socket.destroy()
    const lost = (error: Error) => {
      // The client is told, since the next connection may lead to another database.
      if (error instanceof DirectoryLost) session.refuse("58030", error.message)
      else socket.destroy()
    }
    const session: WireSession = new WireSession({
      pooler: this.turns,
      program: socket,
      send: (bytes) => void socket.write(bytes),
      end: () => socket.destroySoon(),
      onEngineFailure: lost,
      largestMessage,
      disconnectsWhenIdle: true
    })
    this.connections.set(socket, session)
    socket.unref()
    socket.setTimeout(greetingMillis, () => {
      // What it sent meanwhile is read first: where this process is slow, that is not the client's fault.
      setImmediate(() => setImmediate(() => void (session.isStarted || socket.destroy())))
    })
    // Closed or broken, as it comes to the same: "close" follows.
    socket.on("error", () => undefined)
    socket.on("close", () => {
      session.close()
      this.connections.delete(socket)
      if (this.connections.size === 0) this.whenEmpty?.()
    })
    socket.on("data", (chunk) => {
      // One after the other, and none before its answer is on the way: a client that does not read gets no further.
      socket.pause()
      session.receive(chunk).then(() => {
        if (socket.writableNeedDrain) socket.once("drain", () => socket.resume())
        else socket.resume()
      }, lost)
    })
  }
}
