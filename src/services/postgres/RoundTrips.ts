import type { PgConnection } from "@effect/sql-pg"
import { Effect } from "effect"
import { SqlError } from "effect/sql"
import { randomBytes } from "node:crypto"
import type { BoundStatement } from "../../sql/prepareStatement.ts"
import { classifyServerError } from "../../sql/databaseErrors.ts"
import {
  type ConnectionInternals,
  internalsOf,
  type MessageConsumer,
  type ResultColumn,
  type ServerMessage
} from "./connectionInternals.ts"

/** The answer to a statement. */
export interface StatementAnswer {
  readonly rows: ReadonlyArray<object>
  /** What the server reports to have done, such as `COMMIT` or `SELECT 1`. */
  readonly command: string
}

/** Statements that were sent together, of which one failed or the connection broke. */
export class RoundTripFailed {
  readonly error: SqlError.SqlError
  /** The answers to the statements before the one that the server refused; `undefined` when the connection broke. */
  readonly answers: ReadonlyArray<StatementAnswer> | undefined
  constructor(error: SqlError.SqlError, answers: ReadonlyArray<StatementAnswer> | undefined) {
    this.error = error
    this.answers = answers
  }
}

/**
 * Sends several statements to the server with one message, and receives their answers with one. Each statement of
 * `@effect/sql-pg` ends with a Sync of its own, after which the server sends what it has to say: a system call for each
 * statement on both sides, which takes longer than a small statement (decision 45). Here one Sync ends them all, so the
 * server skips those that follow a failed one.
 *
 * Values and results are texts. The connection must not be used otherwise until the answer has arrived.
 */
export class RoundTrips {
  private readonly internals: ConnectionInternals
  private readonly isNamed: boolean
  private readonly prepared = new Map<string, Prepared>()
  /** Connections that share a session share its prepared statements. */
  private readonly namespace = randomBytes(8).toString("hex")
  private names = 0

  private constructor(internals: ConnectionInternals, isNamed: boolean) {
    this.internals = internals
    this.isNamed = isNamed
  }

  /** Returns the round trips of a connection, and creates them at the first call. */
  static of(connection: PgConnection.PgConnection): RoundTrips {
    const internals = internalsOf(connection)
    const existing = all.get(internals)
    if (existing !== undefined) return existing
    const created = new RoundTrips(internals, connection.config.prepare !== false)
    all.set(internals, created)
    return created
  }

  /**
   * Sends statements, and returns their answers. `onFirst` is called when the first answer has arrived: with
   * `flushFirst` the server sends that answer at once. With `commitEach` each statement ends with a Sync of its own, so that without BEGIN
   * each is a transaction: it is committed when a later answer has arrived, or all have. An interruption waits for the answers.
   */
  send(
    statements: ReadonlyArray<BoundStatement>,
    {
      commitEach = false,
      flushFirst = false,
      onFirst
    }: { readonly commitEach?: boolean; readonly flushFirst?: boolean; readonly onFirst?: () => void } = {}
  ): Effect.Effect<ReadonlyArray<StatementAnswer>, RoundTripFailed> {
    return Effect.callback((resume) => {
      const { internals } = this
      if (internals.deadWith !== undefined)
        return resume(Effect.fail(new RoundTripFailed(internals.deadWith, undefined)))
      const used = statements.map(({ text }) => this.find(text))
      const message = encodeStatements(statements, used, { commitEach, flushFirst })
      const answers: Array<StatementAnswer> = []
      let rows: Array<object> = []
      let failure: RoundTripFailed | undefined
      let isDone = false
      let onDone: (() => void) | undefined
      const finish = (result: Effect.Effect<ReadonlyArray<StatementAnswer>, RoundTripFailed>) => {
        isDone = true
        internals.consumer = undefined
        resume(result)
        onDone?.()
      }
      /** The index of the statement whose answer arrives. */
      let index = 0
      let syncs = 0
      const onMessage = (received: ServerMessage): void => {
        const current = used[index]
        switch (received._tag) {
          case "BindComplete":
            return
          case "DataRow":
            rows.push(readRow(current?.columns ?? [], received.values))
            return
          case "CommandComplete":
            index++
            // The batch has no use for the statements after one that failed.
            if (failure !== undefined) return
            answers.push({ rows, command: received.commandTag })
            rows = []
            if (answers.length === 1) onFirst?.()
            return
          case "ReadyForQuery":
            syncs++
            if (commitEach && syncs < statements.length) {
              index = syncs
              return
            }
            return finish(failure === undefined ? Effect.succeed(answers) : Effect.fail(failure))
          case "ParseComplete":
            if (current !== undefined && this.isNamed) current.isParsed = true
            return
          case "RowDescription":
            if (current !== undefined) current.columns = received.fields.map(toColumn)
            return
          case "NoData":
            if (current !== undefined) current.columns = []
            return
          case "ErrorResponse": {
            const { fields } = received
            const error = new SqlError.SqlError({ reason: classifyServerError(fields, "query") })
            // A commit can fail after the answer to its statement.
            failure ??= new RoundTripFailed(error, commitEach ? answers.slice(0, syncs) : answers)
            // A pooler has moved the client to another server's session, or someone has dropped its statements.
            if (areStatementsLost(error)) this.prepared.clear()
            return
          }
          default:
            internals.fatal(protocolError(`unexpected ${received._tag}`))
        }
      }
      const consumer: MessageConsumer = {
        onMessage,
        onFatal: (error) => finish(Effect.fail(new RoundTripFailed(error, undefined)))
      }
      internals.consumer = consumer
      // Fields arrive as bytes.
      internals.session.parser.readField = undefined
      internals.session.socket.write(message)
      return Effect.suspend(() =>
        isDone ? Effect.void : Effect.callback<void>((resumed) => void (onDone = () => resumed(Effect.void)))
      )
    })
  }

  private find(text: string): Prepared {
    if (!this.isNamed) return prepare("")
    let found = this.prepared.get(text)
    if (found === undefined) {
      found = prepare(`mosaic_${this.namespace}_${++this.names}`)
      this.prepared.set(text, found)
    }
    return found
  }
}

const all = new WeakMap<ConnectionInternals, RoundTrips>()

/** A statement that the server knows by name, once it is parsed. */
interface Prepared {
  readonly name: string
  isParsed: boolean
  /** The columns of its result; `undefined` until the server has described them. */
  columns: ReadonlyArray<Column> | undefined
  /** The beginning of its Bind messages: the names of the portal and of the statement, and the formats of the parameters. */
  readonly bound: Uint8Array
}

const prepare = (name: string): Prepared => ({
  name,
  isParsed: false,
  columns: undefined,
  bound: Buffer.from(`\0${name}\0\0\0`, "latin1")
})

interface Column {
  readonly name: string
  readonly read: (text: string) => unknown
}

/** SQLSTATEs of a prepared statement that does not exist, and of one whose result has changed. */
const lostStatementCodes: ReadonlySet<string> = new Set(["26000", "0A000"])

/** Whether the statements that were prepared on a connection are lost. They are prepared again when they are sent again. */
export const areStatementsLost = ({ reason }: SqlError.SqlError): boolean => {
  const code = (reason.cause as { readonly code?: unknown } | undefined)?.code
  return typeof code === "string" && lostStatementCodes.has(code)
}

const protocolError = (problem: string) =>
  new SqlError.SqlError({
    reason: new SqlError.ConnectionError({ cause: new Error(problem), message: problem, operation: "query" })
  })

const readBoolean = (text: string): boolean => text === "t"
const readText = (text: string): string => text

const refuseFloat = (): never => {
  throw new Error("a floating-point number cannot be read as text: its digits depend on extra_float_digits")
}

/** How to read the text of a type, by its OID: boolean, and the integers of up to 32 bits. Other types are texts. */
const readers: ReadonlyMap<number, (text: string) => unknown> = new Map<number, (text: string) => unknown>([
  [16, readBoolean],
  [21, Number],
  [23, Number],
  [700, refuseFloat],
  [701, refuseFloat]
])

const toColumn = ({ dataTypeOid, name }: ResultColumn): Column => ({ name, read: readers.get(dataTypeOid) ?? readText })

const readRow = (columns: ReadonlyArray<Column>, values: ReadonlyArray<Uint8Array | null>): object => {
  const row: Record<string, unknown> = {}
  for (let index = 0; index < columns.length; index++) {
    const { name, read } = columns[index] as Column
    const value = values[index]
    row[name] = value == null ? null : read(decoder.decode(value))
  }
  return row
}

const decoder = new TextDecoder()

const messageType = { bind: 0x42, describe: 0x44, execute: 0x45, flush: 0x48, parse: 0x50, sync: 0x53 }

/** Execute of the unnamed portal, without a limit of rows. */
const executeMessage = Buffer.from([messageType.execute, 0, 0, 0, 9, 0, 0, 0, 0, 0])
/** Describe of the unnamed portal. */
const describeMessage = Buffer.from([messageType.describe, 0, 0, 0, 6, 0x50, 0])
const flushMessage = Buffer.from([messageType.flush, 0, 0, 0, 4])
const syncMessage = Buffer.from([messageType.sync, 0, 0, 0, 4])

/** Encodes statements as one message sequence: https://www.postgresql.org/docs/current/protocol-message-formats.html */
const encodeStatements = (
  statements: ReadonlyArray<BoundStatement>,
  prepared: ReadonlyArray<Prepared>,
  { commitEach, flushFirst }: { readonly commitEach: boolean; readonly flushFirst: boolean }
): Buffer => {
  const writer = new MessageWriter(
    statements.reduce((size, statement, index) => size + sizeLimit(statement, prepared[index] as Prepared), 64)
  )
  const parsed = new Set<Prepared>()
  statements.forEach(({ parameters, text }, index) => {
    const statement = prepared[index] as Prepared
    const { bound, columns, isParsed, name } = statement
    if (!isParsed && !parsed.has(statement)) {
      writer.begin(messageType.parse)
      writer.cString(name)
      writer.cString(text)
      writer.int16(0)
      writer.end()
      parsed.add(statement)
    }
    writer.begin(messageType.bind)
    writer.raw(bound)
    writer.int16(parameters.length)
    for (const parameter of parameters) writer.text(toText(parameter))
    writer.int16(0)
    writer.end()
    if (columns === undefined) writer.raw(describeMessage)
    writer.raw(executeMessage)
    if (flushFirst && index === 0) writer.raw(flushMessage)
    if (commitEach && index < statements.length - 1) writer.raw(syncMessage)
  })
  writer.raw(syncMessage)
  return writer.written()
}

/** The value of a parameter in the text format; `null` for NULL. */
const toText = (value: unknown): string | null => {
  switch (typeof value) {
    case "string":
      return value
    case "boolean":
      return value ? "t" : "f"
    case "number":
    case "bigint":
      return String(value)
    default:
      if (value == null) return null
      if (value instanceof Date) return value.toISOString()
      throw new Error("a parameter of this type cannot be sent as text")
  }
}

/** An upper bound of the bytes of a statement's messages. UTF-8 has at most three bytes for each UTF-16 code unit. */
const sizeLimit = ({ parameters, text }: BoundStatement, { isParsed }: Prepared): number => {
  let size = (isParsed ? 0 : text.length * 3) + 128
  for (const parameter of parameters) size += typeof parameter === "string" ? parameter.length * 3 + 4 : 40
  return size
}

/** Most messages are encoded here, and then copied: an upper bound of their size is several times as large. */
const scratch = Buffer.allocUnsafeSlow(64 * 1024)

/** Texts with more characters than this are encoded by Node, whose call takes as long as a few dozen characters here. */
const shortText = 32

class MessageWriter {
  private readonly bytes: Buffer
  private offset = 0
  private start = 0

  constructor(size: number) {
    this.bytes = size <= scratch.length ? scratch : Buffer.allocUnsafe(size)
  }

  begin(type: number): void {
    this.bytes[this.offset] = type
    this.start = this.offset + 1
    this.offset += 5
  }

  end(): void {
    this.int32(this.offset - this.start, this.start)
  }

  private int32(value: number, at: number): void {
    this.bytes[at] = value >>> 24
    this.bytes[at + 1] = value >>> 16
    this.bytes[at + 2] = value >>> 8
    this.bytes[at + 3] = value
  }

  int16(value: number): void {
    this.offset = this.bytes.writeUInt16BE(value, this.offset)
  }

  raw(message: Uint8Array): void {
    this.bytes.set(message, this.offset)
    this.offset += message.length
  }

  cString(text: string): void {
    this.offset += this.bytes.write(text, this.offset, "utf8")
    this.bytes[this.offset++] = 0
  }

  text(text: string | null): void {
    const from = this.offset + 4
    const length = text === null ? -1 : text.length <= shortText ? this.ascii(text, from) : this.utf8(text, from)
    this.int32(length, this.offset)
    this.offset = from + Math.max(length, 0)
  }

  private utf8(text: string, from: number): number {
    return this.bytes.write(text, from, "utf8")
  }

  /** Writes a text, most of which have ASCII characters only, and returns the number of bytes. */
  private ascii(text: string, from: number): number {
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index)
      if (code > 0x7f) return this.utf8(text, from)
      this.bytes[from + index] = code
    }
    return text.length
  }

  written(): Buffer {
    const message = this.bytes.subarray(0, this.offset)
    return this.bytes === scratch ? Buffer.from(message) : message
  }
}
