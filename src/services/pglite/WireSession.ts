import { randomBytes } from "node:crypto"
import type { PooledClient, TransactionPooler } from "./TransactionPooler.ts"
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

/** The messages that a client may send. For any other type, Postgres ends the session of all clients. */
const allowedTypes: ReadonlySet<number> = new Set([
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

const longTypes: ReadonlySet<number> = new Set([messageType.bind, messageType.parse, messageType.query])

/**
 * The longest message of any other type, and the longest first message, in bytes. Postgres ends the session for a
 * longer one.
 */
const maxShortMessage = 10_000

/** The longest message that Postgres reads, in bytes. */
const maxLongMessage = 2 ** 30 - 2

/** The settings that the server reports when a session starts. */
const reportedSettings = {
  server_version: "18.6",
  server_encoding: "UTF8",
  client_encoding: "UTF8",
  DateStyle: "ISO, MDY",
  IntervalStyle: "postgres",
  TimeZone: "UTC",
  integer_datetimes: "on",
  standard_conforming_strings: "on"
}

export interface SessionOptions {
  readonly pooler: TransactionPooler
  /** Connections of one program share what they set for the session. */
  readonly program: object
  readonly send: (bytes: Buffer) => void
  /** Ends the connection after the bytes that were sent. */
  readonly end: () => void
  /** Is called when the engine has failed. */
  readonly onEngineFailure: (error: Error) => void
  /** The longest message, in bytes. Defaults to the longest that Postgres reads. */
  readonly largestMessage?: number | undefined
  /** Whether the connection is ended when it leaves a transaction idle while others wait. Defaults to `false`. */
  readonly disconnectsWhenIdle?: boolean | undefined
}

/**
 * The server's side of one connection: it responds to the startup message, and runs the client's messages on the engine.
 */
export class WireSession {
  /** Whether the startup message got its response. From then on, the client expects to be served. */
  isStarted = false
  private isEnded = false
  private readonly parser: MessageParser
  private readonly client: PooledClient
  private readonly options: SessionOptions

  constructor(options: SessionOptions) {
    this.options = options
    const largest = options.largestMessage ?? maxLongMessage
    this.parser = new MessageParser({
      first: true,
      largest: (type) => (longTypes.has(type) ? largest : maxShortMessage)
    })
    this.client = {
      program: options.program,
      send: options.send,
      onEngineFailure: options.onEngineFailure,
      ...(options.disconnectsWhenIdle === true
        ? { disconnect: () => this.refuse("25P03", "the transaction was idle for too long while others waited for it") }
        : {})
    }
  }

  /** Receives bytes of the client. Resolves when the responses are sent, and rejects when the engine fails. */
  async receive(chunk: Buffer): Promise<void> {
    if (this.isEnded) return
    let batch: Batch
    try {
      batch = this.parser.push(chunk)
      const [first] = batch.messages
      if (!this.isStarted && first !== undefined) {
        if (!this.start(batch.bytes, first)) return
        batch = this.parser.push(Buffer.alloc(0))
      }
      const unknown = batch.messages.find(({ type }) => !allowedTypes.has(type))
      if (unknown !== undefined) throw new ProtocolViolation(`a message of type ${unknown.type}`)
    } catch (error) {
      if (!(error instanceof ProtocolViolation)) throw error
      return this.refuse("08P01", `not understood: ${error.message}`)
    }
    const terminate = batch.messages.findIndex(({ type }) => type === messageType.terminate)
    const messages = terminate === -1 ? batch.messages : batch.messages.slice(0, terminate)
    const end = messages.at(-1)?.end
    if (end !== undefined) await this.options.pooler.run(this.client, { bytes: batch.bytes.subarray(0, end), messages })
    if (terminate !== -1) {
      this.close()
      this.options.end()
    }
  }

  /** Removes what the client has left in the engine, when its connection has ended. */
  close(): void {
    if (this.isEnded) return
    this.isEnded = true
    this.options.pooler.remove(this.client)
  }

  /** Ends the connection with an error. */
  refuse(code: string, text: string): void {
    if (this.isEnded) return
    this.options.send(reportMessage("errorResponse", "FATAL", code, text))
    this.close()
    this.options.end()
  }

  /** Responds to the first message. Returns `false` when the connection ends with it. */
  private start(bytes: Buffer, { body, end }: Message): boolean {
    const code = end < body + 4 ? 0 : bytes.readUInt32BE(body)
    if (code === cancelRequestCode) {
      // The engine runs one statement at a time to its end, before it can receive a request to cancel it.
      this.isEnded = true
      this.options.end()
      return false
    }
    if (code >>> 16 !== 3) throw new ProtocolViolation(`a first message that asks for ${code}`)
    this.isStarted = true
    this.options.send(makeGreeting())
    return true
  }
}

const makeGreeting = (): Buffer =>
  Buffer.concat([
    message(messageType.authentication, Buffer.alloc(4)),
    ...Object.entries(reportedSettings).map(([name, value]) => message(messageType.parameterStatus, name, value)),
    message(messageType.backendKeyData, randomBytes(8)),
    message(messageType.readyForQuery, Buffer.from("I"))
  ])
