/** The messages of Postgres's wire protocol that are told apart here, by the byte that they begin with. */
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

/** What stands in the place of a protocol's version in a first message that asks to cancel a statement. */
export const cancelRequestCode = 80877102

/** Bytes that are no message of the protocol, or one beyond its bounds. */
export class ProtocolViolation extends Error {}

/** A whole message within the bytes of a `Batch`; `body` is where it begins behind the length. */
export interface Message {
  /** 0 for the first message of a connection, which has no type. */
  readonly type: number
  readonly start: number
  readonly body: number
  readonly end: number
}

/** Whole messages, one behind the other. */
export interface Batch {
  readonly bytes: Buffer
  readonly messages: ReadonlyArray<Message>
}

const empty: Batch = { bytes: Buffer.alloc(0), messages: [] }

/**
 * Cuts whole messages out of bytes as they arrive; `largest` bounds a message. A first message comes alone. Throws
 * `ProtocolViolation`.
 */
export class MessageParser {
  /** Whether the next message is a client's first, before which no type stands. */
  private first: boolean
  private readonly largest: (type: number) => number
  private parts: Array<Buffer> = []
  private held = 0
  /** How many bytes it takes to know more. */
  private needed = 0

  constructor(options: { readonly first: boolean; readonly largest: (type: number) => number }) {
    this.first = options.first
    this.largest = options.largest
  }

  push(chunk: Buffer): Batch {
    this.parts.push(chunk)
    this.held += chunk.length
    // Joined once, and not for each part of a message that takes many.
    if (this.held < this.needed) return empty
    const bytes = this.parts.length === 1 ? chunk : Buffer.concat(this.parts, this.held)
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
    this.held = bytes.length - start
    return { bytes: bytes.subarray(0, start), messages }
  }
}

/** The text that begins at a place and ends with a zero byte. */
export const textAt = (bytes: Buffer, start: number): string => {
  const end = bytes.indexOf(0, start)
  return bytes.toString("utf8", start, end === -1 ? bytes.length : end)
}

/** A message of a type, with what stands in it. */
export const message = (type: number, ...parts: ReadonlyArray<Uint8Array | string>): Buffer => {
  const body = Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(`${part}\0`) : part)))
  const header = Buffer.alloc(5)
  header[0] = type
  header.writeInt32BE(4 + body.length, 1)
  return Buffer.concat([header, body])
}

/** An error or a notice, with the fields that every one has. */
export const reportMessage = (
  kind: "errorResponse" | "noticeResponse",
  severity: string,
  code: string,
  text: string
): Buffer => message(messageType[kind], `S${severity}`, `V${severity}`, `C${code}`, `M${text}`, Uint8Array.of(0))

const leavingCode = "57P01"

/** Says to a client that the server is about to end, and that it should go when it has nothing open. */
export const shutdownNotice = reportMessage(
  "noticeResponse",
  "NOTICE",
  leavingCode,
  "the holder of the directory is about to end"
)

/** Whether a message says so. */
export const isShutdownNotice = (bytes: Buffer, { body, end, type }: Message): boolean =>
  type === messageType.noticeResponse && bytes.subarray(body, end).includes(`\0C${leavingCode}\0`)
