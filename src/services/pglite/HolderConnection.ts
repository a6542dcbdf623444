import { Effect, Option } from "effect"
import { connect, type Socket } from "node:net"
import { isPrivateFolder, openShortPath, socketPlaces } from "./directorySocket.ts"
import { message, MessageParser, messageType, isShutdownNotice, textAt } from "./wireMessages.ts"

/** How long to have nothing open before leaving a holder that asked for it: longer than from one statement to the next. */
const quietMillis = 20

/** The first message: protocol 3.0, and who asks for what. */
export const startupMessage = (() => {
  const body = Buffer.from("user\0postgres\0database\0postgres\0application_name\0mosaic-backlog\0\0")
  const head = Buffer.alloc(8)
  head.writeInt32BE(8 + body.length, 0)
  head.writeInt32BE(3 << 16, 4)
  return Buffer.concat([head, body])
})()

const sync = message(messageType.sync)

const unbounded = () => Number.POSITIVE_INFINITY

/**
 * A connection to the process that holds a directory, which has greeted this one and serves it until one of them ends.
 * When the holder asks to be left, it ends when nothing is open on it and nothing follows; where something follows at
 * once, whoever sends it goes to the next holder, with the statements that were prepared here.
 */
export class HolderConnection {
  /** What the holder said first. */
  readonly greeting: Buffer
  private readonly socket: Socket
  private readonly received: MessageParser
  private readonly sent = new MessageParser({ first: false, largest: unbounded })
  /** The statements that are prepared by name, each as the message that did so. */
  readonly prepared = new Map<string, Buffer>()
  private whenPrepared: (() => void) | undefined
  /** Ends of message sequences that the holder has not answered yet. */
  private unanswered = 0
  private isInTransaction = false
  private isAsked = false
  private quiet: NodeJS.Timeout | undefined

  private constructor(socket: Socket, received: MessageParser, greeting: Buffer) {
    this.socket = socket
    this.received = received
    this.greeting = greeting
  }

  /** Connects to whoever serves a directory and waits to be greeted; none when nobody does, or goes away meanwhile. */
  static open(directory: string): Effect.Effect<Option.Option<HolderConnection>> {
    return Effect.gen(function* () {
      for (const place of yield* Effect.promise(() => socketPlaces(directory).catch(() => []))) {
        if (!(yield* Effect.promise(() => isPrivateFolder(place.folder)))) continue
        const connection = yield* Effect.acquireUseRelease(
          Effect.tryPromise(() => openShortPath(place.path)),
          ({ path }) => HolderConnection.at(path),
          ({ close }) => Effect.promise(close)
        ).pipe(
          // The holder ended, and removed the folder.
          Effect.orElseSucceed(() => Option.none<HolderConnection>())
        )
        if (Option.isSome(connection)) return connection
      }
      return Option.none<HolderConnection>()
    })
  }

  private static at(path: string): Effect.Effect<Option.Option<HolderConnection>> {
    return Effect.callback((resume) => {
      const socket = connect({ path })
      const cutter = new MessageParser({ first: false, largest: unbounded })
      const heard: Array<Buffer> = []
      const gone = (): void => {
        socket.destroy()
        resume(Effect.succeedNone)
      }
      const hear = (chunk: Buffer): void => {
        const { bytes, messages } = cutter.push(chunk)
        heard.push(bytes)
        if (messages.some(({ type }) => type === messageType.errorResponse)) return gone()
        if (!messages.some(({ type }) => type === messageType.readyForQuery)) return
        socket.pause()
        socket.off("data", hear)
        socket.off("close", gone)
        resume(Effect.succeedSome(new HolderConnection(socket, cutter, Buffer.concat(heard))))
      }
      socket.on("error", () => undefined)
      socket.on("close", gone)
      socket.on("data", hear)
      socket.write(startupMessage)
      return Effect.sync(() => socket.destroy())
    })
  }

  get isOpen(): boolean {
    return !this.socket.destroyed && !this.socket.readableEnded
  }

  /** Begins to give what the holder says, and to say when the connection is over. */
  listen(onBytes: (bytes: Buffer) => void, onEnd: () => void): void {
    this.socket.on("data", (chunk) => {
      const { bytes, messages } = this.received.push(chunk)
      for (const { body, type } of messages) {
        if (type !== messageType.readyForQuery) continue
        this.unanswered--
        this.isInTransaction = bytes[body] !== 0x49
      }
      this.isAsked ||= messages.some((each) => isShutdownNotice(bytes, each))
      if (this.whenPrepared === undefined) {
        if (bytes.length > 0) onBytes(bytes)
      } else if (this.unanswered === 0) {
        this.whenPrepared()
        this.whenPrepared = undefined
      }
      this.settle()
    })
    this.socket.on("close", onEnd)
    if (this.isOpen) this.socket.resume()
    else onEnd()
    this.settle()
  }

  /** Whether the holder asked to be left, and nothing is open here: nothing more must be sent. */
  get isOver(): boolean {
    return this.isAsked && this.isIdle
  }

  /** Prepares again what was prepared with another holder. Nobody hears the answers. */
  async prepare(prepared: ReadonlyMap<string, Buffer>): Promise<void> {
    if (prepared.size === 0) return
    const answered = new Promise<void>((resolve) => {
      this.whenPrepared = resolve
    })
    // Each on its own: one that does not fit any more must not keep the others from it.
    for (const parse of prepared.values()) this.send(Buffer.concat([parse, sync]), () => undefined)
    await answered
  }

  send(chunk: Buffer, done: (error?: Error | null) => void): void {
    const { bytes, messages } = this.sent.push(chunk)
    for (const { body, end, start, type } of messages) {
      if (type === messageType.sync || type === messageType.query) this.unanswered++
      else if (type === messageType.parse && bytes[body] !== 0) {
        this.prepared.set(textAt(bytes, body), bytes.subarray(start, end))
      } else if (type === messageType.close && bytes[body] === 0x53) this.prepared.delete(textAt(bytes, body + 1))
    }
    this.settle()
    this.socket.write(chunk, done)
  }

  close(): void {
    clearTimeout(this.quiet)
    if (this.isOpen) this.socket.end(message(messageType.terminate))
    else this.socket.destroy()
    this.socket.unref()
  }

  private get isIdle(): boolean {
    return this.unanswered <= 0 && !this.isInTransaction
  }

  /** A program waits for an answer, and not for a connection that nobody uses. Leaves when asked, and nothing is open. */
  private settle(): void {
    if (this.isIdle) this.socket.unref()
    else this.socket.ref()
    clearTimeout(this.quiet)
    if (this.isOver) this.quiet = setTimeout(() => this.socket.destroy(), quietMillis)
  }
}
