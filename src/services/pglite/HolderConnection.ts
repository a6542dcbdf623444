import { Effect, Option } from "effect"
import { connect, type Socket } from "node:net"
import { isPrivateFolder, openShortPath, listSocketPlaces } from "./directorySocket.ts"
import {
  idleState,
  isShutdownNotice,
  message,
  MessageParser,
  messageType,
  startupMessage,
  statementKind,
  textAt
} from "./wireMessages.ts"

/** How long a connection must be idle before it leaves a holder that shuts down: longer than between two statements. */
const drainMillis = 20

const sync = message(messageType.sync)

const unlimited = () => Number.POSITIVE_INFINITY

/**
 * A connection to the process that holds a directory. When the holder announces that it shuts down, the connection ends
 * as soon as it is idle. A client that sends something at that moment moves to the next holder, where its prepared
 * statements are prepared again.
 */
export class HolderConnection {
  /** The holder's answer to the startup message. */
  readonly greeting: Buffer
  /** The Parse message of each named statement that is prepared. */
  readonly prepared = new Map<string, Buffer>()
  private readonly socket: Socket
  private readonly received: MessageParser
  private readonly sent = new MessageParser({ first: false, largest: unlimited })
  private onPrepared: (() => void) | undefined
  /** Message sequences without a response of the holder. */
  private unanswered = 0
  private isInTransaction = false
  private isHolderLeaving = false
  private drainTimer: NodeJS.Timeout | undefined

  private constructor(socket: Socket, received: MessageParser, greeting: Buffer) {
    this.socket = socket
    this.received = received
    this.greeting = greeting
  }

  /** Connects to the process that serves a directory. None when no process does, or when it ends meanwhile. */
  static open(directory: string): Effect.Effect<Option.Option<HolderConnection>> {
    return Effect.gen(function* () {
      for (const place of yield* Effect.promise(() => listSocketPlaces(directory).catch(() => []))) {
        if (!(yield* Effect.promise(() => isPrivateFolder(place.folder)))) continue
        const connection = yield* Effect.acquireUseRelease(
          Effect.tryPromise(() => openShortPath(place.path)),
          ({ path }) => HolderConnection.connectTo(path),
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

  private static connectTo(path: string): Effect.Effect<Option.Option<HolderConnection>> {
    return Effect.callback((resume) => {
      const socket = connect({ path })
      const parser = new MessageParser({ first: false, largest: unlimited })
      const greeting: Array<Buffer> = []
      const onClose = (): void => {
        socket.destroy()
        resume(Effect.succeedNone)
      }
      const onData = (chunk: Buffer): void => {
        const { bytes, messages } = parser.push(chunk)
        greeting.push(bytes)
        if (messages.some(({ type }) => type === messageType.errorResponse)) return onClose()
        if (!messages.some(({ type }) => type === messageType.readyForQuery)) return
        socket.pause()
        socket.off("data", onData)
        socket.off("close", onClose)
        resume(Effect.succeedSome(new HolderConnection(socket, parser, Buffer.concat(greeting))))
      }
      socket.on("error", () => undefined)
      socket.on("close", onClose)
      socket.on("data", onData)
      socket.write(startupMessage)
      return Effect.sync(() => socket.destroy())
    })
  }

  get isOpen(): boolean {
    return !this.socket.destroyed && !this.socket.readableEnded
  }

  /** Whether the holder shuts down and the connection is idle: nothing more must be sent. */
  get isDrained(): boolean {
    return this.isHolderLeaving && this.isIdle
  }

  /** Starts to pass on the holder's messages. `onEnd` is called when the connection has ended. */
  listen(onBytes: (bytes: Buffer) => void, onEnd: () => void): void {
    this.socket.on("data", (chunk) => {
      const { bytes, messages } = this.received.push(chunk)
      for (const { body, type } of messages) {
        if (type !== messageType.readyForQuery) continue
        this.unanswered--
        this.isInTransaction = bytes[body] !== idleState
      }
      this.isHolderLeaving ||= messages.some((each) => isShutdownNotice(bytes, each))
      if (this.onPrepared === undefined) {
        if (bytes.length > 0) onBytes(bytes)
      } else if (this.unanswered === 0) {
        this.onPrepared()
        this.onPrepared = undefined
      }
      this.updateIdleState()
    })
    this.socket.on("close", onEnd)
    if (this.isOpen) this.socket.resume()
    else onEnd()
    this.updateIdleState()
  }

  /** Prepares statements that were prepared with another holder. Their answers are not passed on. */
  async prepare(prepared: ReadonlyMap<string, Buffer>): Promise<void> {
    if (prepared.size === 0) return
    const answered = new Promise<void>((resolve) => {
      this.onPrepared = resolve
    })
    // Each in a sequence of its own: a statement that fails must not keep the others from being prepared.
    for (const parse of prepared.values()) this.send(Buffer.concat([parse, sync]), () => undefined)
    await answered
  }

  send(chunk: Buffer, done: (error?: Error | null) => void): void {
    const { bytes, messages } = this.sent.push(chunk)
    for (const { body, end, start, type } of messages) {
      if (type === messageType.sync || type === messageType.query) this.unanswered++
      else if (type === messageType.parse && bytes[body] !== 0) {
        this.prepared.set(textAt(bytes, body), bytes.subarray(start, end))
      } else if (type === messageType.close && bytes[body] === statementKind) {
        this.prepared.delete(textAt(bytes, body + 1))
      }
    }
    this.updateIdleState()
    this.socket.write(chunk, done)
  }

  close(): void {
    clearTimeout(this.drainTimer)
    if (this.isOpen) this.socket.end(message(messageType.terminate))
    else this.socket.destroy()
    this.socket.unref()
  }

  private get isIdle(): boolean {
    return this.unanswered <= 0 && !this.isInTransaction
  }

  /** An idle connection does not keep the process alive, and leaves a holder that shuts down. */
  private updateIdleState(): void {
    if (this.isIdle) this.socket.unref()
    else this.socket.ref()
    clearTimeout(this.drainTimer)
    if (this.isDrained) this.drainTimer = setTimeout(() => this.socket.destroy(), drainMillis)
  }
}
