import type { PgliteEngine } from "./PgliteEngine.ts"
import { explainFileError } from "../files/fileErrors.ts"
import { type Batch, message, MessageParser, messageType, textAt } from "./wireMessages.ts"

/** A connection that takes turns with others on one engine. */
export interface PooledClient {
  /** Connections of one program share the state of the session, as they do without others. */
  readonly program: object
  /** Takes what the engine says to this connection. */
  readonly send: (bytes: Buffer) => void
  /** Hears that the engine is gone, and the connection's session with it. */
  readonly onEngineFailure: (error: Error) => void
  /** Ends a connection that keeps others waiting; absent where that may not be. */
  readonly disconnect?: () => void
}

interface Waiting {
  readonly taker: PooledClient
  readonly batch: Batch
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** What a connection left in the engine, to be taken away when it ends. */
interface Belongings {
  readonly statements: Set<string>
  readonly channels: Set<string>
}

/** Takes away what a program may have set for the session: settings, its role, cursors, locks, temporary tables. */
const reset = message(
  messageType.query,
  "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; SELECT pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES"
)

const sync = message(messageType.sync)

/** Ends whatever a connection was in the middle of, and never by committing it: the portal does not exist. */
const abandon = [
  message(messageType.execute, "mosaic_backlog_gone", Buffer.alloc(4)),
  sync,
  message(messageType.query, "ROLLBACK")
]

const nothing: Belongings = { statements: new Set(), channels: new Set() }

const everyChannel = "*"

/**
 * One engine's only session, shared: a connection keeps its turn from its first message until the engine says that no
 * transaction is open, so that nobody comes between the messages of a transaction. Those that wait come in order. What
 * a program sets for the session lasts no longer than until another program's turn. Notifications go to the connections
 * that listen to their channel.
 */
export class TransactionPooler {
  private readonly engine: PgliteEngine
  private readonly onCrash: (error: Error) => void
  /** How long a connection may keep its turn without saying anything while others wait. */
  private readonly idleMillis: number
  private readonly belongings = new Map<PooledClient, Belongings>()
  private readonly gone = new WeakSet<PooledClient>()
  private readonly waiting: Array<Waiting> = []
  private holder: PooledClient | undefined
  private lastProgram: object | undefined
  private running: Promise<void> | undefined
  private runningFor: PooledClient | undefined
  private closed: Error | undefined
  private idle: NodeJS.Timeout | undefined
  /** Whether the engine may have stopped listening to what others want to hear. */
  private isDeaf = false

  constructor(
    engine: PgliteEngine,
    options: { readonly idleMillis: number; readonly onCrash: (error: Error) => void }
  ) {
    this.engine = engine
    this.idleMillis = options.idleMillis
    this.onCrash = options.onCrash
  }

  /** Whether nobody gets a turn any more. */
  get isClosed(): boolean {
    return this.closed !== undefined
  }

  /** Runs whole messages when it is the connection's turn; the answer is delivered. */
  run(taker: PooledClient, batch: Batch): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.closed !== undefined) return reject(this.closed)
      this.waiting.push({ taker, batch, resolve, reject })
      this.proceed()
    })
  }

  /** Forgets a connection that ended: what it did not commit is rolled back, what it prepared is dropped. */
  remove(taker: PooledClient): void {
    this.gone.add(taker)
    const never = this.waiting.findIndex((each) => each.taker === taker)
    if (never !== -1) this.waiting.splice(never, 1)[0]?.reject(new Error("the connection ended"))
    // What it left is only known when its messages at hand are through.
    if (this.closed !== undefined || this.runningFor === taker) return
    const { channels, statements } = this.belongings.get(taker) ?? nothing
    this.belongings.delete(taker)
    const messages = [
      ...(this.holder === taker ? abandon : []),
      ...(statements.size === 0
        ? []
        : [...[...statements].map((name) => message(messageType.close, `S${name}`)), sync]),
      ...(channels.size === 0 ? [] : [this.listenAnew()])
    ]
    if (messages.length === 0) return
    const cleaner: PooledClient = { program: taker.program, send: () => undefined, onEngineFailure: () => undefined }
    if (this.holder === taker) this.holder = cleaner
    this.run(cleaner, cutWhole(Buffer.concat(messages))).then(
      () => this.belongings.delete(cleaner),
      () => undefined
    )
  }

  /** Ends all turns, once the messages at hand are through. Every connection that still wants one is refused. */
  async close(): Promise<void> {
    await this.running
    this.end(new Error("the embedded database is closed"))
  }

  private end(error: Error): void {
    this.closed ??= error
    clearTimeout(this.idle)
    for (const { reject } of this.waiting.splice(0)) reject(error)
  }

  private proceed(): void {
    if (this.running !== undefined || this.closed !== undefined) return
    const next = this.holder === undefined ? 0 : this.waiting.findIndex((each) => each.taker === this.holder)
    const [entry] = next === -1 ? [] : this.waiting.splice(next, 1)
    if (entry === undefined) {
      const { holder } = this
      if (holder?.disconnect !== undefined && this.waiting.length > 0) {
        this.idle ??= setTimeout(() => holder.disconnect?.(), this.idleMillis)
      }
      return
    }
    clearTimeout(this.idle)
    this.idle = undefined
    this.runningFor = entry.taker
    this.running = this.execute(entry).then(
      () => {
        this.running = undefined
        this.runningFor = undefined
        entry.resolve()
        if (this.gone.has(entry.taker)) this.remove(entry.taker)
        this.proceed()
      },
      (cause: unknown) => {
        this.running = undefined
        this.runningFor = undefined
        const error = cause instanceof Error ? cause : new Error(explainFileError(cause))
        entry.reject(error)
        this.breakDown(error)
      }
    )
  }

  /** Ends all turns when the engine is found unusable while nothing runs in it; returns whether it still is usable. */
  checkEngine(): boolean {
    if (this.closed !== undefined) return false
    try {
      this.engine.check()
      return true
    } catch (error) {
      // What runs finds out by itself, and is told first.
      if (this.running === undefined) this.breakDown(error as Error)
      return false
    }
  }

  private breakDown(error: Error): void {
    const isFirst = this.closed === undefined
    this.end(error)
    if (!isFirst) return
    for (const each of this.belongings.keys()) each.onEngineFailure(error)
    this.onCrash(error)
  }

  private async execute({ batch, taker }: Waiting): Promise<void> {
    if (this.lastProgram !== taker.program) {
      if (this.lastProgram !== undefined) await this.engine.run(reset)
      this.lastProgram = taker.program
    }
    const isWithin = this.holder === taker
    this.holder = taker
    const answer = await this.engine.run(batch.bytes, isWithin)
    const heard = read(answer)
    this.note(taker, batch, heard)
    this.isDeaf ||= heard.unlistened
    const last = batch.messages.at(-1)?.type
    // A sequence of messages that was begun behind the last end of one is not to be divided.
    const isThrough = heard.status === idleStatus && (last === messageType.sync || last === messageType.query)
    if (isThrough) {
      this.holder = undefined
      if (this.isDeaf) await this.engine.run(this.listenAnew())
      this.isDeaf = false
    }
    if (heard.answer.length > 0) taker.send(heard.answer)
    for (const { bytes, channel } of heard.notifications) {
      for (const [listener, { channels }] of this.belongings) {
        if (channels.has(channel) || channels.has(everyChannel)) listener.send(bytes)
      }
    }
  }

  /** Keeps in mind what a connection leaves in the engine. */
  private note(taker: PooledClient, { bytes, messages }: Batch, { listened, unlistened }: Heard): void {
    let mine = this.belongings.get(taker)
    if (mine === undefined) this.belongings.set(taker, (mine = { statements: new Set(), channels: new Set() }))
    for (const { body, type } of messages) {
      if (type === messageType.parse && bytes[body] !== 0) mine.statements.add(textAt(bytes, body))
      if (type === messageType.close && bytes[body] === 0x53) mine.statements.delete(textAt(bytes, body + 1))
    }
    if (!listened && !unlistened) return
    const texts = messages.flatMap(({ body, type }) => {
      if (type === messageType.query) return textAt(bytes, body)
      return type === messageType.parse ? textAt(bytes, bytes.indexOf(0, body) + 1) : []
    })
    let isNamed = false
    for (const text of texts) {
      const [, un, quoted, plain] = listening.exec(text) ?? []
      const channel = quoted?.replaceAll('""', '"') ?? plain?.toLowerCase()
      if (channel === undefined) continue
      isNamed = true
      if (un === undefined || un === "") mine.channels.add(channel)
      else if (channel === everyChannel) mine.channels.clear()
      else mine.channels.delete(channel)
    }
    // Too much rather than too little: a client takes no notice of what it did not ask for.
    if (listened && !isNamed) mine.channels.add(everyChannel)
  }

  /** Has the engine listen to what any connection wants to hear, and to nothing else as far as that is known. */
  private listenAnew(): Buffer {
    const channels = new Set([...this.belongings.values()].flatMap((each) => [...each.channels]))
    const isKnown = !channels.delete(everyChannel)
    const listen = [...channels].map((channel) => `LISTEN "${channel.replaceAll('"', '""')}"`)
    return message(messageType.query, [...(isKnown ? ["UNLISTEN *"] : []), ...listen].join("; "))
  }
}

const listening = /^\s*(UN)?LISTEN\s+(?:"((?:[^"]|"")+)"|([\p{L}_][\p{L}\d_$]*|\*))\s*;?\s*$/iu

const idleStatus = 0x49

interface Heard {
  /** Without the notifications. */
  readonly answer: Buffer
  /** Of the last that says so: idle, in a transaction, or in one that failed. */
  readonly status: number | undefined
  readonly listened: boolean
  readonly unlistened: boolean
  readonly notifications: ReadonlyArray<{ readonly channel: string; readonly bytes: Buffer }>
}

/** What an answer of the engine says. */
const read = (answer: Buffer): Heard => {
  const notifications: Array<{ readonly channel: string; readonly bytes: Buffer }> = []
  const kept: Array<Buffer> = []
  let keptFrom = 0
  let status: number | undefined
  let listened = false
  let unlistened = false
  // No objects for messages: an answer may have thousands of rows.
  for (let start = 0; start < answer.length;) {
    const type = answer[start]
    const body = start + 5
    const end = start + 1 + answer.readUInt32BE(start + 1)
    if (type === messageType.readyForQuery) status = answer[body]
    else if (type === messageType.notification) {
      notifications.push({ channel: textAt(answer, body + 4), bytes: answer.subarray(start, end) })
      kept.push(answer.subarray(keptFrom, start))
      keptFrom = end
    } else if (type === messageType.commandComplete) {
      // Most tags are told apart by their first letter.
      const letter = answer[body]
      if (letter === 0x4c) listened ||= textAt(answer, body) === "LISTEN"
      else if (letter === 0x55 || letter === 0x44) {
        const tag = textAt(answer, body)
        unlistened ||= tag === "UNLISTEN" || tag === "DISCARD ALL"
      }
    }
    start = end
  }
  const whole = keptFrom === 0 ? answer : Buffer.concat([...kept, answer.subarray(keptFrom)])
  return { answer: whole, status, listened, unlistened, notifications }
}

/** Messages that are known to be whole. */
const cutWhole = (bytes: Buffer): Batch =>
  new MessageParser({ first: false, largest: () => Number.POSITIVE_INFINITY }).push(bytes)
