import { randomBytes } from "node:crypto"
import type { TransactionPooler, PooledClient } from "./TransactionPooler.ts"
import {
  type Batch,
  cancelRequestCode,
  type Message,
  message,
  MessageParser,
  messageType,
  ProtocolViolation,
  reportMessage
} from "./wireMessages.ts"

/** Messages that a client may send. Postgres ends the whole session for others. */
const allowed: ReadonlySet<number> = new Set([
  messageType.bind,
  messageType.close,
  messageType.describe,
  messageType.execute,
  messageType.flush,
  messageType.parse,
  messageType.query,
  messageType.sync,
  messageType.terminate
])

const mayBeLarge: ReadonlySet<number> = new Set([messageType.bind, messageType.parse, messageType.query])

/** Postgres ends the session for a longer message of the small types, as for a longer first one. */
const smallMessage = 10_000

/** What Postgres takes. */
const largestMessage = 2 ** 30 - 2

/** What the server tells of itself at the beginning. */
const parameters = {
  server_version: "18.6",
  server_encoding: "UTF8",
  client_encoding: "UTF8",
  DateStyle: "ISO, MDY",
  IntervalStyle: "postgres",
  TimeZone: "UTC",
  integer_datetimes: "on",
  standard_conforming_strings: "on"
}

/** What a session is given to talk through. */
export interface SessionOptions {
  readonly pooler: TransactionPooler
  /** Connections of one program share what they set for the session. */
  readonly program: object
  readonly send: (bytes: Buffer) => void
  /** The session is over; what was sent before is still to arrive. */
  readonly end: () => void
  /** The engine is gone. */
  readonly onEngineFailure: (error: Error) => void
  /** Bytes of a message, what Postgres takes unless told otherwise. */
  readonly largestMessage?: number | undefined
  /** Whether the connection may be ended when it keeps its turn idly while others wait. */
  readonly disconnectsWhenIdle?: boolean | undefined
}

/** The server's end of one connection: greets the client, and takes its messages to the engine in turn. */
export class WireSession {
  /** Whether the client was greeted: from then on it counts on being served. */
  isStarted = false
  private over = false
  private readonly cutter: MessageParser
  private readonly taker: PooledClient
  private readonly options: SessionOptions

  constructor(options: SessionOptions) {
    this.options = options
    const largest = options.largestMessage ?? largestMessage
    this.cutter = new MessageParser({
      first: true,
      largest: (type) => (mayBeLarge.has(type) ? largest : smallMessage)
    })
    this.taker = {
      program: options.program,
      send: options.send,
      onEngineFailure: options.onEngineFailure,
      ...(options.disconnectsWhenIdle === true
        ? { disconnect: () => this.refuse("25P03", "the transaction was idle for too long while others waited for it") }
        : {})
    }
  }

  /** Takes bytes of the client, and is done when they are answered. Fails when the engine does. */
  async receive(chunk: Buffer): Promise<void> {
    if (this.over) return
    let batch: Batch
    try {
      batch = this.cutter.push(chunk)
      const [first] = batch.messages
      if (!this.isStarted && first !== undefined) {
        if (!this.greet(batch.bytes, first)) return
        batch = this.cutter.push(Buffer.alloc(0))
      }
      const unknown = batch.messages.find(({ type }) => !allowed.has(type))
      if (unknown !== undefined) throw new ProtocolViolation(`a message of type ${unknown.type}`)
    } catch (error) {
      if (!(error instanceof ProtocolViolation)) throw error
      return this.refuse("08P01", `not understood: ${error.message}`)
    }
    const last = batch.messages.findIndex(({ type }) => type === messageType.terminate)
    const messages = last === -1 ? batch.messages : batch.messages.slice(0, last)
    const end = messages.at(-1)?.end
    if (end !== undefined) await this.options.pooler.run(this.taker, { bytes: batch.bytes.subarray(0, end), messages })
    if (last !== -1) {
      this.close()
      this.options.end()
    }
  }

  /** The connection is gone. */
  close(): void {
    if (this.over) return
    this.over = true
    this.options.pooler.remove(this.taker)
  }

  /** Ends the connection, and says why. */
  refuse(code: string, text: string): void {
    if (this.over) return
    this.options.send(reportMessage("errorResponse", "FATAL", code, text))
    this.close()
    this.options.end()
  }

  /** Answers the first message; `false` when that is all. */
  private greet(bytes: Buffer, { body, end }: Message): boolean {
    const code = end < body + 4 ? 0 : bytes.readUInt32BE(body)
    if (code === cancelRequestCode) {
      // Statements run to their end before anybody can ask to cancel them.
      this.over = true
      this.options.end()
      return false
    }
    if (code >>> 16 !== 3) throw new ProtocolViolation(`a first message that asks for ${code}`)
    this.isStarted = true
    this.options.send(greeting())
    return true
  }
}

const greeting = (): Buffer =>
  Buffer.concat([
    message(messageType.authentication, Buffer.alloc(4)),
    ...Object.entries(parameters).map(([name, value]) => message(messageType.parameterStatus, name, value)),
    message(messageType.backendKeyData, randomBytes(8)),
    message(messageType.readyForQuery, Buffer.from("I"))
  ])
