import { type PgClient, type PgConnection, PgPool } from "@effect/sql-pg"
import { Deferred, Duration, Effect, type Scope } from "effect"
import { SqlError } from "effect/sql"
import { durableCommitLevel } from "../../sql/inTransaction.ts"
import type { BoundStatement } from "../../sql/prepareStatement.ts"
import { internalsOf } from "./connectionInternals.ts"
import { ConnectionMonitor } from "./ConnectionMonitor.ts"
import { RoundTrips, type StatementAnswer } from "./RoundTrips.ts"

/*
 * A batch releases its locks when it has committed, and not when the commit is durable:
 *
 *     batch    BEGIN, lock, load │ append, SET LOCAL synchronous_commit = off, COMMIT │ barrier ········ flush │ answer
 *     others                         wait for the head row ...                        │ append, COMMIT │ barrier ···
 *
 * A barrier is a transaction that writes to the write-ahead log and commits synchronously. The log is flushed in order, so
 * when the barrier has committed, everything that was committed before it began is durable: on the server's disk, and on the
 * synchronous standby if there is one. See docs/decisions/0059-early-commits.md.
 */

/** Commits the transaction of a batch without waiting for the flush. The barrier after COMMIT waits for it. */
export const commitEarly: BoundStatement = { text: "SET LOCAL synchronous_commit = off", parameters: [] }

/** Identifies a primary server by the time at which it started, in microseconds. Null for a hot standby. */
const serverColumn = `CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN (pg_catalog.date_part('epoch',
  pg_catalog.pg_postmaster_start_time())::numeric * 1000000)::text END AS server`

/** A barrier in a session on a primary server, as a transaction of its own or as part of one. */
export const primaryBarrier: BoundStatement = {
  text: `SELECT pg_catalog.pg_logical_emit_message(true, 'mosaic_backlog', ''), ${durableCommitLevel}`,
  parameters: []
}

/**
 * A barrier, as a transaction of its own or as part of one. An assigned transaction id alone flushes nothing, so it writes a
 * message. On a hot standby it does nothing: a standby replays only what its primary has flushed.
 */
export const barrier: BoundStatement = {
  text: `SELECT ${serverColumn}, CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN
    pg_catalog.pg_logical_emit_message(true, 'mosaic_backlog', '')::text END AS written, ${durableCommitLevel} AS level`,
  parameters: []
}

/** Which server a session is connected to, and whether its role may execute barriers. Two functions have the name. */
const identification: BoundStatement = {
  text: `SELECT ${serverColumn}, (SELECT pg_catalog.bool_and(pg_catalog.has_function_privilege(oid, 'EXECUTE'))
    FROM pg_catalog.pg_proc WHERE proname = 'pg_logical_emit_message' AND pronamespace = 'pg_catalog'::regnamespace) AS permitted`,
  parameters: []
}

/** The end of the write-ahead log, and whether it is flushed up to a place. */
const readEndOfLog: BoundStatement = {
  text: `SELECT CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_current_wal_insert_lsn()::text END AS "end"`,
  parameters: []
}
const isFlushed = (end: string): BoundStatement => ({
  text: "SELECT pg_catalog.pg_current_wal_flush_lsn() >= $1::pg_lsn AS flushed",
  parameters: [end]
})

/** How often it is checked whether the log is flushed, where the role may not execute barriers. */
const flushInterval = "20 millis"

/** Maximum number of barriers at the same time: the next one begins while the previous one is under way. */
const maxConcurrentBarriers = 2

/** A barrier connection that was idle for longer than this, in milliseconds, is probed first. */
const maxIdleMillis = 15_000

const probeMillis = 3_000

/** For how long a backlog counts as shared after another writer has appended events, in milliseconds. */
const sharedMillis = 10_000

/** Callers that wait for the same barrier. */
interface Waiting {
  readonly done: Deferred.Deferred<void, SqlError.SqlError>
  /** The last position of each backlog that is durable when the barrier has committed. */
  readonly positions: Map<BacklogCommits, number>
  readonly epoch: number
}

/** What is known of the commits of one backlog. */
interface BacklogCommits {
  /** Positions up to this one are durable. */
  durable: number
  /** The last position that a batch of this process has appended; 0 before the first. */
  lastAppended: number
  /** Until when the backlog counts as shared with other writers, in milliseconds of `performance.now()`. */
  sharedUntil: number
}

/** The durability of the commits of a server. The backlogs of a client, each in its schema, share its barriers. */
export interface ServerDurability {
  readonly identify: Durability["identify"]
  /** Returns the durability of the backlog in a schema, the same one at each call. */
  readonly forBacklog: (schema: string) => Durability
}

/** Which commits of a backlog are durable, as far as this process knows, and how to wait for others. */
export interface Durability {
  /** Positions up to this one are durable. */
  readonly reached: () => number
  /** Increases when the client has connected to another primary server, or the server was restarted. */
  readonly epoch: () => number
  /**
   * Waits until everything that is committed now is durable. `position` is the last one that the caller has seen in committed
   * transactions; 0 if it does not know. Fails if the server is not the one of the epoch, and when the server does not answer or
   * stops waiting for its standby.
   */
  readonly await: (position: number, epoch: number) => Effect.Effect<void, SqlError.SqlError>
  /** Whether the role may execute barriers. `false` until a session was identified. */
  readonly isPermitted: () => boolean
  /**
   * Whether a batch should commit early: others have appended events in the last ten seconds. A process that is alone waits for each
   * flush in COMMIT, which costs one transaction less.
   */
  readonly paysOff: () => boolean
  /** Finds out which server a session is connected to, once. Returns whether it is the current one. */
  readonly identify: (session: PgConnection.PgConnection) => Effect.Effect<boolean, SqlError.SqlError>
  /** Records that a transaction has appended a number of events up to a position. */
  readonly noteAppended: (position: number, events: number) => void
  /** Records that the events up to `position`, the last of which a transaction of a session has appended, are durable. */
  readonly confirm: (session: PgConnection.PgConnection, position: number, events: number) => void
}

/** The columns of the statements above. */
interface Columns {
  readonly server?: string | null
  readonly permitted?: boolean
  readonly end?: string | null
  readonly flushed?: boolean
}

const columnsOf = (answer: StatementAnswer | undefined): Columns => answer?.rows[0] ?? {}

/** The server on which a statement ran. */
const serverOf = (answer: StatementAnswer | undefined): string => columnsOf(answer).server ?? standby

/** A hot standby: any number of them can be read at the same time, and none needs barriers. */
const standby = "standby"

/**
 * Makes the durability of a server, with connections of its own for barriers: a transaction of the caller can hold all connections
 * of the client's pool. They are opened when they are needed. A barrier uses the pool where the server refuses them.
 */
export const makeDurability = Effect.fnUntraced(function* (
  config: PgClient.PgClient["config"] & { readonly batchTimeout?: Duration.Duration | undefined },
  clientPool?: PgPool.PgPool
): Effect.fn.Return<ServerDurability, never, Scope.Scope> {
  const fork = Effect.runForkWith(yield* Effect.context())
  const timeoutMillis = Duration.toMillis(config.batchTimeout ?? Duration.seconds(30))
  const pool = yield* Effect.orDie(
    PgPool.make({
      ...config,
      multiplex: true,
      multiplexConcurrency: 1,
      minConnections: 0,
      maxConnections: maxConcurrentBarriers
    })
  )
  /** The sessions of barriers that are under way. When the client is closed, no caller waits for them any more. */
  const barred = new Set<PgConnection.PgConnection>()
  let isClosed = false
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      isClosed = true
      for (const session of barred) internalsOf(session).fatal(clientClosed())
    })
  )
  const servers = new WeakMap<ConnectionMonitor, string>()
  let server: string | undefined
  let epoch = 0
  const backlogs = new Set<BacklogCommits>()
  let isPermitted = false
  let waiting: Waiting | undefined
  let running = 0

  const noteServer = (found: string): void => {
    if (found === standby || found === server) return
    if (server !== undefined) epoch++
    server = found
    for (const backlog of backlogs) backlog.durable = 0
    if (waiting === undefined || waiting.epoch === epoch) return
    Deferred.doneUnsafe(waiting.done, Effect.fail(serverReplaced()))
    waiting = undefined
  }

  /** Sends statements, and returns the answer to the last one. */
  const send = (session: PgConnection.PgConnection, statement: BoundStatement, millis: number) =>
    ConnectionMonitor.of(session).withTimeout(
      Effect.mapBoth(RoundTrips.of(session).send([statement]), {
        onFailure: ({ error }) => error,
        onSuccess: ([answer]) => answer
      }),
      millis
    )

  const identify: Durability["identify"] = (session) =>
    Effect.suspend(() => {
      const monitor = ConnectionMonitor.of(session)
      const isCurrent = () => {
        const known = servers.get(monitor)
        return known === standby || known === server
      }
      if (servers.has(monitor)) return Effect.succeed(isCurrent())
      return Effect.map(send(session, identification, timeoutMillis), (answer) => {
        servers.set(monitor, serverOf(answer))
        noteServer(serverOf(answer))
        isPermitted = columnsOf(answer).permitted === true
        return isCurrent()
      })
    })

  /** Runs a barrier, and returns the server on which it ran. */
  const runBarrier = (session: PgConnection.PgConnection): Effect.Effect<string, SqlError.SqlError> =>
    Effect.gen(function* () {
      const monitor = ConnectionMonitor.of(session)
      if (performance.now() - monitor.lastReceivedAt > maxIdleMillis) {
        yield* monitor.withTimeout(session.query("SELECT 1", [], false), probeMillis)
      }
      if (!(yield* identify(session))) {
        // The connection leads to a server that was replaced.
        return yield* closeReplaced(session)
      }
      if (isPermitted) {
        const sent = send(session, barrier, timeoutMillis)
        return serverOf(yield* monitor.requireConfirmation(sent, unconfirmed))
      }
      const { end } = columnsOf(yield* send(session, readEndOfLog, timeoutMillis))
      if (end == null) return standby
      const checked = Effect.map(send(session, isFlushed(end), timeoutMillis), columnsOf)
      yield* Effect.repeat(Effect.delay(checked, flushInterval), { until: ({ flushed }) => flushed === true })
      return servers.get(monitor) ?? standby
    })

  const runOn = ({ use }: PgPool.PgPool) =>
    Effect.suspend(() => {
      if (isClosed) return Effect.fail({ error: clientClosed(), isConnected: true })
      let isConnected = false
      const ran = use((session) => {
        isConnected = true
        barred.add(session)
        return Effect.ensuring(
          runBarrier(session),
          Effect.sync(() => barred.delete(session))
        )
      })
      return Effect.mapError(ran, (error) => ({ error, isConnected }))
    })
  // A barrier can be repeated: a connection can have broken while it was idle, and the server can refuse another one.
  const run = runOn(pool).pipe(
    Effect.catchIf(
      ({ error, isConnected }) => !isConnected || isBroken(error),
      ({ isConnected }) => runOn(isConnected ? pool : (clientPool ?? pool))
    ),
    Effect.mapError(({ error }) => error)
  )

  const start = (): void => {
    if (waiting === undefined || running >= maxConcurrentBarriers) return
    const { done, epoch: since, positions } = waiting
    waiting = undefined
    running++
    fork(
      run.pipe(
        Effect.tap((ranOn) => Effect.sync(() => noteServer(ranOn))),
        Effect.flatMap((ranOn) => {
          if (epoch !== since) return Effect.fail(serverReplaced())
          // What a standby shows need not be on another, synchronous one yet, and a client can use both.
          if (ranOn === standby && server !== undefined) return Effect.void
          for (const [backlog, position] of positions) backlog.durable = Math.max(backlog.durable, position)
          return Effect.void
        }),
        Effect.onExit((exit) =>
          Effect.suspend(() => {
            running--
            start()
            return Deferred.done(done, exit)
          })
        ),
        Effect.exit
      )
    )
  }

  const makeBacklogDurability = (backlog: BacklogCommits): Durability => {
    const noteAppended: Durability["noteAppended"] = (position, events) => {
      if (events === 0) return
      const { lastAppended } = backlog
      if (position - events !== lastAppended && lastAppended !== 0)
        backlog.sharedUntil = performance.now() + sharedMillis
      backlog.lastAppended = Math.max(lastAppended, position)
    }
    return {
      reached: () => backlog.durable,
      epoch: () => epoch,
      isPermitted: () => isPermitted,
      paysOff: () => isPermitted && performance.now() < backlog.sharedUntil,
      noteAppended,
      identify,
      confirm: (session, position, events) => {
        noteAppended(position, events)
        if (servers.get(ConnectionMonitor.of(session)) === server && position > backlog.durable)
          backlog.durable = position
      },
      await: (position, since) =>
        Effect.suspend(() => {
          if (epoch !== since) return Effect.fail(serverReplaced())
          waiting ??= { done: Deferred.makeUnsafe(), positions: new Map(), epoch }
          const { done, positions } = waiting
          positions.set(backlog, Math.max(positions.get(backlog) ?? 0, position))
          start()
          return Deferred.await(done)
        })
    }
  }

  const made = new Map<string, Durability>()
  return {
    identify,
    forBacklog: (schema) => {
      const existing = made.get(schema)
      if (existing !== undefined) return existing
      const backlog: BacklogCommits = { durable: 0, lastAppended: 0, sharedUntil: 0 }
      backlogs.add(backlog)
      const created = makeBacklogDurability(backlog)
      made.set(schema, created)
      return created
    }
  }
})

const makeError = (message: string, operation: string, cause: unknown = new Error(message)) =>
  new SqlError.SqlError({ reason: new SqlError.ConnectionError({ cause, message, operation }) })

const serverReplaced = () =>
  makeError("the database server was restarted or replaced while this was read: read it again", "query")

const clientClosed = () => makeError("the client was closed before this was known to be durable", "query")

/** A connection leads to a server that is no longer the one of the client. */
class ServerReplaced extends Error {
  override readonly name = "ServerReplaced"
}

/** Closes a connection to a server that was replaced, and returns the error. */
export const closeReplaced = (session: PgConnection.PgConnection): SqlError.SqlError => {
  const message = "the connection leads to a server that was restarted or replaced"
  const error = makeError(message, "connect", new ServerReplaced(message))
  internalsOf(session).fatal(error)
  return error
}

/** Whether a connection was closed because of its server. Nothing was sent on it. */
export const isClosedAsReplaced = ({ reason }: SqlError.SqlError): boolean => reason.cause instanceof ServerReplaced

/** The server no longer waited for its standby. */
class Unconfirmed extends Error {
  override readonly name = "Unconfirmed"
}

const unconfirmed = () =>
  makeError(
    "what was read may be lost in a failover, because its replication to a standby was canceled: read it again",
    "query",
    new Unconfirmed("its replication to a standby was canceled")
  )

const isBroken = ({ reason }: SqlError.SqlError): boolean =>
  reason._tag === "ConnectionError" && !(reason.cause instanceof Unconfirmed)
