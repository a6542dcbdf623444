import { PgConnection } from "@effect/sql-pg"
import { Effect, Stream } from "effect"
import { type SqlConnection, SqlError } from "effect/sql"
import type { Duplex } from "node:stream"
import { NoAnswer } from "../../sql/AnswerTimeout.ts"
import type { Subscribe } from "../waiting/CommitNotifications.ts"
import { type ConnectionInternals, internalsOf, type ServerMessage } from "./connectionInternals.ts"

/** How long to read bytes that have already arrived before a connection is closed, in milliseconds. */
const graceMillis = 50

/** The longest delay of a timer, in milliseconds. A longer one would fire at once. */
const maxTimerMillis = 2 ** 31 - 1

/** The SQLSTATE of a warning without a code of its own, such as that of a canceled wait for a synchronous standby. */
const warningCode = "01000"

/**
 * How often a listening connection is probed, and the timeout of the probe in milliseconds. Together with the delay
 * before the next subscription, listening continues within 15 seconds after a connection died without a sign.
 */
const heartbeat = "4 seconds"
const heartbeatMillis = 4_000

/**
 * Monitors a connection of `@effect/sql-pg` (decision 27): when the server last sent something, and whether it warned
 * while it committed. Closes a connection whose server does not answer, and sends no cancel request: the server reports
 * a commit as successful when the wait for its replication is canceled.
 */
export class ConnectionMonitor {
  /** When something was last received, in milliseconds of `performance.now()`. */
  lastReceivedAt = performance.now()
  /** How many commits the server reported with a warning, because it no longer waited for a standby. */
  private unconfirmedCommits = 0
  private sentAt = 0
  private pendingStatements = 0
  private hasWarned = false
  private hasCompleted = false
  private readonly socket: Duplex

  private constructor({ session }: ConnectionInternals) {
    this.socket = session.socket
  }

  /** Returns the monitor of a connection, and creates it at the first call. */
  static of(connection: PgConnection.PgConnection): ConnectionMonitor {
    const internals = internalsOf(connection)
    const existing = monitors.get(internals)
    if (existing !== undefined) return existing
    const monitor = new ConnectionMonitor(internals)
    monitors.set(internals, monitor)
    const { dispatch } = internals
    internals.dispatch = (message) => {
      monitor.onMessage(message)
      dispatch(message)
    }
    return monitor
  }

  /** How long the server has not sent anything while a statement runs, in milliseconds; 0 when no statement runs. */
  get silentMillis(): number {
    return this.pendingStatements === 0 ? 0 : performance.now() - Math.max(this.lastReceivedAt, this.sentAt)
  }

  /** Runs statements, and closes the connection when the server sends nothing for the timeout, in milliseconds. */
  readonly withTimeout = <A, R>(
    statements: Effect.Effect<A, SqlError.SqlError, R>,
    timeout: number | (() => number)
  ): Effect.Effect<A, SqlError.SqlError, R> =>
    Effect.suspend(() => {
      this.pendingStatements++
      this.sentAt = performance.now()
      let timer: NodeJS.Timeout
      let isGrace = false
      const check = (): void => {
        const timeoutMillis = typeof timeout === "number" ? timeout : timeout()
        const leftMillis = timeoutMillis - this.silentMillis
        if (leftMillis > 0) wait(leftMillis)
        else if (isGrace) this.socket.destroy(new NoAnswer(timeoutMillis))
        else {
          // After a pause of the process, a timer can fire before the bytes that arrived meanwhile are read.
          isGrace = true
          timer = setTimeout(check, graceMillis)
        }
      }
      const wait = (millis: number): void => {
        isGrace = false
        timer = setTimeout(check, Math.min(millis, maxTimerMillis))
      }
      wait(typeof timeout === "number" ? timeout : timeout())
      return Effect.onExitPrimitive(statements, () => {
        clearTimeout(timer)
        this.pendingStatements--
        return undefined
      })
    })

  /** Fails when the server stopped waiting for a standby while the statement committed. */
  readonly requireConfirmation = <A, E>(
    statement: Effect.Effect<A, E>,
    makeError = () => possiblyCommittedError("its replication to a standby was canceled")
  ): Effect.Effect<A, E | SqlError.SqlError> =>
    Effect.suspend(() => {
      const before = this.unconfirmedCommits
      return Effect.flatMap(statement, (result) =>
        this.unconfirmedCommits === before ? Effect.succeed(result) : Effect.fail(makeError())
      )
    })

  /**
   * The warning of a canceled wait arrives within COMMIT before its completion. For a statement that is a transaction
   * of its own, it arrives between the completion and ReadyForQuery. Its text is in the server's language.
   */
  private onMessage(message: ServerMessage): void {
    this.lastReceivedAt = performance.now()
    switch (message._tag) {
      case "NoticeResponse": {
        const { code, severity, severityUnlocalized = severity } = message.fields
        if (code === warningCode && severityUnlocalized === "WARNING") {
          if (this.hasCompleted) this.unconfirmedCommits++
          else this.hasWarned = true
        }
        return
      }
      case "CommandComplete":
        this.hasCompleted = true
        if (message.commandTag === "COMMIT" && this.hasWarned) this.unconfirmedCommits++
        return
      case "ReadyForQuery":
        this.hasWarned = false
        this.hasCompleted = false
        return
      default:
    }
  }
}

const monitors = new WeakMap<ConnectionInternals, ConnectionMonitor>()

/** Applies a timeout to a statement. */
type WithTimeout = <A>(statement: Effect.Effect<A, SqlError.SqlError>) => Effect.Effect<A, SqlError.SqlError>

/**
 * Converts a session to the connection of an `SqlClient`. Every statement runs with the timeout, and a commit that did
 * not wait for its standby fails. `executeStream` defaults to streams without a timeout.
 */
export const toSqlConnection = (
  session: PgConnection.PgConnection,
  withTimeout: WithTimeout,
  executeStream: SqlConnection.Connection["executeStream"] = (text, params, transform) => {
    const rows = session.stream(text, params)
    return transform === undefined ? rows : Stream.mapArray(rows, (chunk) => transform(chunk) as typeof chunk)
  }
): SqlConnection.Connection => {
  const monitor = ConnectionMonitor.of(session)
  const query = (text: string, params: ReadonlyArray<unknown>, prepare?: boolean) =>
    withTimeout(monitor.requireConfirmation(session.query(text, params, prepare)))
  const values = (text: string, params: ReadonlyArray<unknown>, prepare?: boolean) =>
    withTimeout(monitor.requireConfirmation(session.queryValues(text, params, prepare)))
  const rows = (text: string, params: ReadonlyArray<unknown>, prepare: boolean) =>
    Effect.map(query(text, params, prepare), (result) => result.rows)
  return {
    execute: (text, params, transform) =>
      transform === undefined ? rows(text, params, true) : Effect.map(rows(text, params, true), transform),
    executeUnprepared: (text, params, transform) =>
      transform === undefined ? rows(text, params, false) : Effect.map(rows(text, params, false), transform),
    executeRaw: (text, params) => query(text, params),
    executeValues: (text, params) => values(text, params),
    executeValuesUnprepared: (text, params) => values(text, params, false),
    executeStream
  }
}

/**
 * Listens on a connection of its own. It only receives, so a broken one is detected only by statements, which it sends
 * regularly.
 */
export const subscribe = (config: PgConnection.Config, channel: string): Subscribe =>
  Effect.gen(function* () {
    const session = yield* Effect.flatMap(PgConnection.make(config), ({ pin }) => pin)
    const monitor = ConnectionMonitor.of(session)
    const notifications = yield* monitor.withTimeout(session.listen(channel), heartbeatMillis)
    yield* Effect.sleep(heartbeat).pipe(
      // The queue of notifications fails with the connection.
      Effect.andThen(Effect.ignore(monitor.withTimeout(session.query("SELECT 1", [], false), heartbeatMillis))),
      Effect.forever,
      Effect.forkScoped
    )
    return notifications
  })

/** The error of a COMMIT that was sent and not confirmed. */
export const possiblyCommittedError = (why: string): SqlError.SqlError =>
  connectionError(
    `The command may have been committed: ${why}. Send it again with the same command id to get its outcome.`,
    "commit"
  )

/** The error of a batch that the server did not answer before its COMMIT was sent. */
export const notCommittedError = (why: string): SqlError.SqlError =>
  connectionError(`The command was not carried out: ${why}.`, "query")

const connectionError = (message: string, operation: string): SqlError.SqlError =>
  new SqlError.SqlError({ reason: new SqlError.ConnectionError({ cause: new Error(message), message, operation }) })

/**
 * The error of a COMMIT to which the server answered `command`: it ends a failed transaction with ROLLBACK, without an
 * error.
 */
export const rolledBackError = (command: string): SqlError.SqlError =>
  new SqlError.SqlError({
    reason: new SqlError.UnknownError({
      cause: new Error(`COMMIT ended in ${command}`),
      message: "the transaction was rolled back",
      operation: "commit"
    })
  })
