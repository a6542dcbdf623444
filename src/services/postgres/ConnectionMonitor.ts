import type { PgConnection } from "@effect/sql-pg"
import { Effect, Stream } from "effect"
import { type SqlConnection, SqlError } from "effect/sql"
import type { Duplex } from "node:stream"
import { NoAnswer } from "../../sql/AnswerTimeout.ts"

/** How a statement is guarded: see `SessionWatch.guard`. */
type Guard = <A>(statement: Effect.Effect<A, SqlError.SqlError>) => Effect.Effect<A, SqlError.SqlError>

/**
 * A session as the client's statements use it. Every statement goes through the guard, and a commit that did not wait
 * for its standby is an error.
 */
export const toSqlConnection = (
  session: PgConnection.PgConnection,
  guard: Guard,
  streams: SqlConnection.Connection["executeStream"] = (text, params, transform) => {
    const rows = session.stream(text, params)
    return transform === undefined ? rows : Stream.mapArray(rows, (chunk) => transform(chunk) as typeof chunk)
  }
): SqlConnection.Connection => {
  const watch = ConnectionMonitor.of(session)
  const query = (text: string, params: ReadonlyArray<unknown>, prepare?: boolean) =>
    guard(requireConfirmation(watch, session.query(text, params, prepare)))
  const values = (text: string, params: ReadonlyArray<unknown>, prepare?: boolean) =>
    guard(requireConfirmation(watch, session.queryValues(text, params, prepare)))
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
    executeStream: streams
  }
}

/** Fails when the server no longer waited for a standby while the statement committed. */
export const requireConfirmation = <A>(watch: ConnectionMonitor, statement: Effect.Effect<A, SqlError.SqlError>) =>
  Effect.suspend(() => {
    const before = watch.unconfirmedCommits
    return Effect.flatMap(statement, (result) =>
      watch.unconfirmedCommits === before
        ? Effect.succeed(result)
        : Effect.fail(possiblyCommittedError("its replication to a standby was cancelled"))
    )
  })

/** How long to read what has already arrived before a connection is closed, in milliseconds. */
const graceMillis = 50

/** The largest delay of a timer, in milliseconds; a longer one would fire at once. */
const longestTimer = 2 ** 31 - 1

/** SQLSTATE of a warning without a code of its own, and of a cancelled wait for a synchronous standby. */
const warningCode = "01000"

/**
 * What the client does not show of a connection: when the server last sent something, and whether it warned while it
 * committed. Closes the connection of a server that does not answer, without a cancel request: the server counts a
 * commit whose replication is cancelled as committed.
 */
export class ConnectionMonitor {
  /** When something was last received, in milliseconds of `performance.now()`. */
  lastReceivedAt = performance.now()
  /** Commits that the server reported with a warning: it no longer waited for a standby. */
  unconfirmedCommits = 0
  private sentAt = 0
  private waiting = 0
  private warned = false
  private completed = false
  private readonly socket: Duplex

  private constructor({ session }: Internals) {
    this.socket = session.socket
  }

  /** The watch of a connection, the same one every time. */
  static of(connection: PgConnection.PgConnection): ConnectionMonitor {
    const internals = internalsOf(connection)
    let watch = watches.get(internals)
    if (watch === undefined) {
      watch = new ConnectionMonitor(internals)
      watches.set(internals, watch)
      const { dispatch } = internals
      const created = watch
      internals.dispatch = (message) => {
        created.hear(message)
        dispatch(message)
      }
    }
    return watch
  }

  /** For how long the server has left a statement without an answer, in milliseconds; 0 when none is under way. */
  get silentMillis(): number {
    return this.waiting === 0 ? 0 : performance.now() - Math.max(this.lastReceivedAt, this.sentAt)
  }

  /** Runs a statement, and closes the connection when the server sends nothing for so many milliseconds meanwhile. */
  readonly withTimeout = <A, R>(
    statement: Effect.Effect<A, SqlError.SqlError, R>,
    timeoutMillis: number
  ): Effect.Effect<A, SqlError.SqlError, R> =>
    Effect.suspend(() => {
      this.waiting++
      this.sentAt = performance.now()
      let timer: NodeJS.Timeout
      let isLast = false
      const check = (): void => {
        const left = timeoutMillis - this.silentMillis
        if (left > 0) wait(left)
        else if (isLast) this.socket.destroy(new NoAnswer(timeoutMillis))
        else {
          // A process that was paused finds its timers due before it has read what came meanwhile.
          isLast = true
          timer = setTimeout(check, graceMillis)
        }
      }
      const wait = (millis: number): void => {
        isLast = false
        timer = setTimeout(check, Math.min(millis, longestTimer))
      }
      wait(timeoutMillis)
      return Effect.onExitPrimitive(statement, () => {
        clearTimeout(timer)
        this.waiting--
        return undefined
      })
    })

  /**
   * A cancelled wait for a standby becomes a warning within COMMIT, before its completion, or, where a statement is a
   * transaction of its own, between its completion and the end of its cycle. The text is in the server's language.
   */
  private hear(message: Message): void {
    this.lastReceivedAt = performance.now()
    switch (message._tag) {
      case "NoticeResponse": {
        const { code, severity, severityUnlocalized = severity } = message.fields
        if (code === warningCode && severityUnlocalized === "WARNING") {
          if (this.completed) this.unconfirmedCommits++
          else this.warned = true
        }
        return
      }
      case "CommandComplete":
        this.completed = true
        if (message.commandTag === "COMMIT" && this.warned) this.unconfirmedCommits++
        return
      case "ReadyForQuery":
        this.warned = false
        this.completed = false
    }
  }
}

type Message =
  | { readonly _tag: "NoticeResponse"; readonly fields: Readonly<Record<string, string | undefined>> }
  | { readonly _tag: "CommandComplete"; readonly commandTag: string }
  | { readonly _tag: "ReadyForQuery" }

/** The parts of a connection of `@effect/sql-pg` that it does not export. */
interface Internals {
  readonly session: { readonly socket: Duplex }
  dispatch: (message: Message) => void
}

const watches = new WeakMap<Internals, ConnectionMonitor>()

const internalsKey = "~@effect/sql-pg/PgConnection/internals"

const internalsOf = (connection: object): Internals => {
  const { base } = ((connection as Record<string, unknown>)[internalsKey] ?? {}) as { readonly base?: Internals }
  if (typeof base?.dispatch !== "function" || typeof base.session?.socket?.destroy !== "function") {
    throw new Error(
      "the connections of this version of @effect/sql-pg cannot be watched: use the version in package.json"
    )
  }
  return base
}

/** The error of a command whose COMMIT was sent and not confirmed. */
export const possiblyCommittedError = (why: string): SqlError.SqlError =>
  connectionError(
    `The command may have been committed: ${why}. Send it again with the same command id to get its outcome.`,
    "commit"
  )

/** The error of a command that the server left without an answer before its COMMIT was sent. */
export const notCommittedError = (why: string): SqlError.SqlError =>
  connectionError(`The command was not carried out: ${why}.`, "query")

const connectionError = (message: string, operation: string): SqlError.SqlError =>
  new SqlError.SqlError({ reason: new SqlError.ConnectionError({ cause: new Error(message), message, operation }) })
