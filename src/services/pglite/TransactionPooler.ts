import { explainFileError } from "../files/fileErrors.ts"
import type { PgliteEngine } from "./PgliteEngine.ts"
import { SessionState } from "./SessionState.ts"
import { type Batch, message, messageType, parseAnswer, parseMessages } from "./wireMessages.ts"

/*
 * Transaction pooling: many connections share the one session of an engine (decision 16).
 *
 *              the first batch of the queue         the answer ends a transaction
 *     ┌──────┐       is executed        ┌─────────┐   and a message sequence     ┌──────┐
 *     │ FREE │ ───────────────────────▶ │ RUNNING │ ───────────────────────────▶ │ FREE │
 *     └──────┘                          └─────────┘                              └──────┘
 *                                         │     ▲
 *                any other answer: its    │     │ the next batch of the assigned client
 *                client stays assigned    ▼     │
 *                                       ┌──────────┐
 *                                       │ ASSIGNED │  only batches of the assigned client run, others stay queued
 *                                       └──────────┘
 *
 * - ASSIGNED, the client disconnects: its transaction is rolled back (RUNNING), then FREE.
 * - ASSIGNED, the client sends nothing for `idleMillis` while others are queued: the client is disconnected.
 * - Any state, the engine fails or `close` is called: CLOSED. Queued batches are rejected.
 *
 * A transaction ends with ReadyForQuery and the state `I`, a message sequence with Sync or Query. Both are required: a
 * Parse that follows a Sync in the same batch belongs to the next sequence, and a message of another client must not
 * come in between.
 */

/** A connection that shares the engine's session with others. */
export interface PooledClient {
  /** Connections of one program share the settings of the session, as they do on a connection of their own. */
  readonly program: object
  /** Receives messages of the engine for this connection. */
  readonly send: (bytes: Buffer) => void
  /** Is called when the engine has failed, and the connection's session with it. */
  readonly onEngineFailure: (error: Error) => void
  /**
   * Ends a connection that leaves its transaction idle while others wait. Absent where the connection must not be
   * ended.
   */
  readonly disconnect?: () => void
}

interface QueuedBatch {
  readonly client: PooledClient
  readonly batch: Batch
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** Resets what a program may have set for the session: settings, its role, cursors, locks, temporary tables. */
const resetSession = message(
  messageType.query,
  "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; SELECT pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES"
)

/**
 * Ends an unfinished message sequence and transaction without committing: the portal does not exist, so Execute fails.
 */
const abort = [
  message(messageType.execute, "mosaic_backlog_gone", Buffer.alloc(4)),
  message(messageType.sync),
  message(messageType.query, "ROLLBACK")
]

/**
 * Lets connections take turns on one engine's only session. A connection keeps the session from its first message until
 * no transaction is open. Batches of other connections are queued and run in order. Settings of a program are reset
 * before another program's batch. Notifications are sent to the connections that listen to their channel.
 */
export class TransactionPooler {
  private readonly engine: PgliteEngine
  private readonly onCrash: (error: Error) => void
  private readonly idleMillis: number
  private readonly state = new SessionState<PooledClient>()
  private readonly disconnected = new WeakSet<PooledClient>()
  private readonly queue: Array<QueuedBatch> = []
  /** The client whose transaction or message sequence is not complete. */
  private assigned: PooledClient | undefined
  private running: { readonly client: PooledClient; readonly done: Promise<void> } | undefined
  private closed: Error | undefined
  private lastProgram: object | undefined
  private idleTimer: NodeJS.Timeout | undefined
  /** Whether a connection's UNLISTEN or DISCARD ALL has ended the LISTENs of the others too. */
  private mustListenAgain = false

  /**
   * `idleMillis` is how long a connection may leave its transaction idle while others wait. `onCrash` is called once,
   * when the engine has failed.
   */
  constructor(
    engine: PgliteEngine,
    options: { readonly idleMillis: number; readonly onCrash: (error: Error) => void }
  ) {
    this.engine = engine
    this.idleMillis = options.idleMillis
    this.onCrash = options.onCrash
  }

  /** Whether no batch is run any more. */
  get isClosed(): boolean {
    return this.closed !== undefined
  }

  /** Runs whole messages as soon as the client may use the session, and sends it the answer. */
  run(client: PooledClient, batch: Batch): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.closed !== undefined) return reject(this.closed)
      this.queue.push({ client, batch, resolve, reject })
      this.runNext()
    })
  }

  /** Removes a client that disconnected: rolls back its transaction, and drops what it has prepared. */
  remove(client: PooledClient): void {
    this.disconnected.add(client)
    const queued = this.queue.findIndex((each) => each.client === client)
    if (queued !== -1) this.queue.splice(queued, 1)[0]?.reject(new Error("the connection ended"))
    // While its batch runs, its traces are not complete: it is removed after that.
    if (this.closed !== undefined || this.running?.client === client) return
    const messages = [...(this.assigned === client ? abort : []), ...this.state.remove(client)]
    if (messages.length === 0) return
    const cleaner: PooledClient = {
      program: client.program,
      send: () => undefined,
      onEngineFailure: () => undefined
    }
    if (this.assigned === client) this.assigned = cleaner
    this.run(cleaner, parseMessages(Buffer.concat(messages))).then(
      () => this.state.remove(cleaner),
      () => undefined
    )
  }

  /** Closes the pooler after the batch that is running. Queued and later batches are rejected. */
  async close(): Promise<void> {
    await this.running?.done
    this.reject(new Error("the embedded database is closed"))
  }

  /** Checks the engine, and closes the pooler when it has failed. Returns whether the engine can be used. */
  checkEngine(): boolean {
    if (this.closed !== undefined) return false
    try {
      this.engine.check()
      return true
    } catch (error) {
      // A running batch fails by itself, and its client receives the error first.
      if (this.running === undefined) this.fail(error as Error)
      return false
    }
  }

  private reject(error: Error): void {
    this.closed ??= error
    clearTimeout(this.idleTimer)
    for (const { reject } of this.queue.splice(0)) reject(error)
  }

  private fail(error: Error): void {
    const isFirst = this.closed === undefined
    this.reject(error)
    if (!isFirst) return
    for (const client of this.state.clients) client.onEngineFailure(error)
    this.onCrash(error)
  }

  private runNext(): void {
    if (this.running !== undefined || this.closed !== undefined) return
    const { assigned } = this
    const index = assigned === undefined ? 0 : this.queue.findIndex(({ client }) => client === assigned)
    const [next] = index === -1 ? [] : this.queue.splice(index, 1)
    if (next === undefined) {
      const disconnect = assigned?.disconnect
      if (disconnect !== undefined && this.queue.length > 0) this.idleTimer ??= setTimeout(disconnect, this.idleMillis)
      return
    }
    clearTimeout(this.idleTimer)
    this.idleTimer = undefined
    const done = this.execute(next).then(
      () => {
        this.running = undefined
        next.resolve()
        if (this.disconnected.has(next.client)) this.remove(next.client)
        this.runNext()
      },
      (cause: unknown) => {
        this.running = undefined
        const error = cause instanceof Error ? cause : new Error(explainFileError(cause))
        next.reject(error)
        this.fail(error)
      }
    )
    this.running = { client: next.client, done }
  }

  private async execute({ batch, client }: QueuedBatch): Promise<void> {
    if (this.lastProgram !== client.program) {
      if (this.lastProgram !== undefined) await this.engine.run(resetSession)
      this.lastProgram = client.program
    }
    const isWithinTransaction = this.assigned === client
    this.assigned = client
    const answer = parseAnswer(await this.engine.run(batch.bytes, isWithinTransaction))
    this.state.record(client, batch, answer)
    this.mustListenAgain ||= answer.unlistened
    const last = batch.messages.at(-1)?.type
    if (answer.isIdle && (last === messageType.sync || last === messageType.query)) {
      this.assigned = undefined
      if (this.mustListenAgain) await this.engine.run(this.state.listenAgain())
      this.mustListenAgain = false
    }
    if (answer.bytes.length > 0) client.send(answer.bytes)
    for (const { bytes, channel } of answer.notifications) {
      for (const listener of this.state.listenersTo(channel)) listener.send(bytes)
    }
  }
}
