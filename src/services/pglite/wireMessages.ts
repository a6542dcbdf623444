/*
 * The part of Postgres's wire protocol, version 3.0, that connections to an embedded database use.
 * https://www.postgresql.org/docs/18/protocol-message-formats.html
 *
 * A message is a type of one byte, a length of four bytes that includes itself, and a body. The first message of a
 * client has no type: it is a StartupMessage, or a CancelRequest, which has a code in the place of the protocol's
 * version.
 *
 *     client                          server
 *     StartupMessage               →
 *                                  ←  AuthenticationOk, ParameterStatus …, BackendKeyData, ReadyForQuery
 *     Query                        →                                          one sequence in the simple protocol
 *                                  ←  rows, CommandComplete or ErrorResponse, ReadyForQuery
 *     Parse, Bind, Execute … Sync  →                                          one sequence in the extended protocol
 *                                  ←  one answer to each message, ReadyForQuery
 *     Terminate                    →
 *
 * ReadyForQuery reports the state of the transaction: `I` idle, `T` open, `E` failed. NotificationResponse and
 * NoticeResponse can arrive between any two messages of the server.
 *
 * One rule is this program's own: a server that shuts down sends a NoticeResponse with the code 57P01, and the client
 * disconnects as soon as it is idle. Postgres itself sends that code only as an error.
 */

/** The types of messages that are recognized here. Client and server use some bytes for different messages. */
export const messageType = {
  authentication: 0x52,
  backendKeyData: 0x4b,
  bind: 0x42,
  close: 0x43,
  commandComplete: 0x43,
  describe: 0x44,
  errorResponse: 0x45,
  execute: 0x45,
  flush: 0x48,
  noticeResponse: 0x4e,
  notification: 0x41,
  parameterStatus: 0x53,
  parse: 0x50,
  query: 0x51,
  readyForQuery: 0x5a,
  sync: 0x53,
  terminate: 0x58
} as const

/** The code of a first message that asks to cancel a statement, in the place of the protocol's version. */
export const cancelRequestCode = 80877102

/** The state `I` of ReadyForQuery: no transaction is open. */
export const idleState = 0x49

/** The kind `S` of Close: a prepared statement. */
export const statementKind = 0x53

/** Bytes that are not a message of the protocol, or a message that is too long. */
export class ProtocolViolation extends Error {}

/** A whole message within the bytes of a `Batch`. `body` is where the content begins, after the length. */
export interface Message {
  /** 0 for the first message of a connection, which has no type. */
  readonly type: number
  readonly start: number
  readonly body: number
  readonly end: number
}

/** Consecutive whole messages. */
export interface Batch {
  readonly bytes: Buffer
  readonly messages: ReadonlyArray<Message>
}

const emptyBatch: Batch = { bytes: Buffer.alloc(0), messages: [] }

/**
 * Splits bytes into whole messages as the bytes arrive. `first` says that the next message is a client's first.
 * `largest` limits the length of a message by its type. A first message is returned alone. Throws `ProtocolViolation`.
 */
export class MessageParser {
  private first: boolean
  private readonly largest: (type: number) => number
  private parts: Array<Buffer> = []
  /** The length of all parts. */
  private received = 0
  /** The length that completes the message which has begun; 0 when it is not known. */
  private needed = 0

  constructor(options: { readonly first: boolean; readonly largest: (type: number) => number }) {
    this.first = options.first
    this.largest = options.largest
  }

  push(chunk: Buffer): Batch {
    this.parts.push(chunk)
    this.received += chunk.length
    // Concatenates the parts of a long message once, and not for each part.
    if (this.received < this.needed) return emptyBatch
    const bytes = this.parts.length === 1 ? chunk : Buffer.concat(this.parts, this.received)
    const messages: Array<Message> = []
    let start = 0
    this.needed = 0
    for (;;) {
      const header = this.first ? 4 : 5
      if (start + header > bytes.length) break
      const type = this.first ? 0 : (bytes[start] ?? 0)
      const length = bytes.readUInt32BE(start + header - 4)
      if (length < 4 || length > this.largest(type)) {
        throw new ProtocolViolation(`a message of ${length} bytes, of type ${type}`)
      }
      const end = start + header - 4 + length
      if (end > bytes.length) {
        this.needed = end - start
        break
      }
      messages.push({ type, start, body: start + header, end })
      start = end
      if (this.first) {
        this.first = false
        break
      }
    }
    this.parts = start === bytes.length ? [] : [bytes.subarray(start)]
    this.received = bytes.length - start
    return { bytes: bytes.subarray(0, start), messages }
  }
}

/** Splits bytes that are known to be whole messages. */
export const parseMessages = (bytes: Buffer): Batch =>
  new MessageParser({ first: false, largest: () => Number.POSITIVE_INFINITY }).push(bytes)

/** The text that begins at a position and ends with a zero byte. */
export const textAt = (bytes: Buffer, start: number): string => {
  const end = bytes.indexOf(0, start)
  return bytes.toString("utf8", start, end === -1 ? bytes.length : end)
}

/** What an answer of the engine reports. */
export interface Answer {
  /** The answer without its notifications. */
  readonly bytes: Buffer
  /** Whether the last ReadyForQuery reports that no transaction is open. */
  readonly isIdle: boolean
  /** Whether a LISTEN was executed. */
  readonly listened: boolean
  /** Whether an UNLISTEN was executed, or a DISCARD ALL, which includes it. */
  readonly unlistened: boolean
  readonly notifications: ReadonlyArray<{ readonly channel: string; readonly bytes: Buffer }>
}

/** Parses the whole messages of an answer. */
export const parseAnswer = (answer: Buffer): Answer => {
  const notifications: Array<{ readonly channel: string; readonly bytes: Buffer }> = []
  const kept: Array<Buffer> = []
  let keptFrom = 0
  let isIdle = false
  let listened = false
  let unlistened = false
  // Creates no objects for messages: an answer may have thousands of rows.
  for (let start = 0; start < answer.length;) {
    const type = answer[start]
    const body = start + 5
    const end = start + 1 + answer.readUInt32BE(start + 1)
    if (type === messageType.readyForQuery) isIdle = answer[body] === idleState
    else if (type === messageType.notification) {
      notifications.push({ channel: textAt(answer, body + 4), bytes: answer.subarray(start, end) })
      kept.push(answer.subarray(keptFrom, start))
      keptFrom = end
    } else if (type === messageType.commandComplete) {
      // The first letter excludes most command tags.
      const letter = answer[body]
      if (letter === 0x4c) listened ||= textAt(answer, body) === "LISTEN"
      else if (letter === 0x55 || letter === 0x44) {
        const tag = textAt(answer, body)
        unlistened ||= tag === "UNLISTEN" || tag === "DISCARD ALL"
      }
    }
    start = end
  }
  const bytes = keptFrom === 0 ? answer : Buffer.concat([...kept, answer.subarray(keptFrom)])
  return { bytes, isIdle, listened, unlistened, notifications }
}

/** Creates a message. Parts that are strings are written as texts that end with a zero byte. */
export const message = (type: number, ...parts: ReadonlyArray<Uint8Array | string>): Buffer => {
  const body = Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(`${part}\0`) : part)))
  const header = Buffer.alloc(5)
  header[0] = type
  header.writeInt32BE(4 + body.length, 1)
  return Buffer.concat([header, body])
}

/** The first message of each client of this program: protocol 3.0, the user, the database and the application. */
export const startupMessage: Buffer = (() => {
  const body = Buffer.from("user\0postgres\0database\0postgres\0application_name\0mosaic-backlog\0\0")
  const head = Buffer.alloc(8)
  head.writeInt32BE(8 + body.length, 0)
  head.writeInt32BE(3 << 16, 4)
  return Buffer.concat([head, body])
})()

/** Creates an error or a notice with the required fields. */
export const reportMessage = (
  kind: "errorResponse" | "noticeResponse",
  severity: string,
  code: string,
  text: string
): Buffer => message(messageType[kind], `S${severity}`, `V${severity}`, `C${code}`, `M${text}`, Uint8Array.of(0))

const shutdownCode = "57P01"

/** Notifies a client that the server shuts down, and that the client must disconnect when it has no transaction open. */
export const shutdownNotice: Buffer = reportMessage(
  "noticeResponse",
  "NOTICE",
  shutdownCode,
  "the holder of the directory is about to end"
)

/** Whether a message is a shutdown notice. */
export const isShutdownNotice = (bytes: Buffer, { body, end, type }: Message): boolean =>
  type === messageType.noticeResponse && bytes.subarray(body, end).includes(`\0C${shutdownCode}\0`)
