import { type PgClient, type PgConnection, PgPool } from "@effect/sql-pg"
import { Clock, Context, Duration, Effect, type Scope, Stream } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { IdleTransactionMillis } from "../../projections/lockAndLoad.ts"
import { isNoAnswer } from "../../sql/AnswerTimeout.ts"
import { sendInOrder } from "../../sql/bulkStatements.ts"
import { databaseErrorText } from "../../sql/databaseErrors.ts"
import {
  BatchFailed,
  type BatchTransaction,
  beginStatement,
  type Decided,
  type RunInTransaction
} from "../commands/BatchTransaction.ts"
import {
  ConnectionMonitor,
  notCommittedError,
  possiblyCommittedError,
  rolledBackError,
  toSqlConnection
} from "./ConnectionMonitor.ts"
import { defaultTimeouts, probeMillis, type ServerTimeouts } from "./PostgresClient.ts"

/** How long a connection that the server refused is not tried again while the other one is open, in milliseconds. */
const refusalMillis = 1_000

/** How long a batch may be without an answer before commands count as stuck for readiness checks, in milliseconds. */
const stuckMillis = 10_000

/** The pool of one connection, which is opened when a batch needs it and closed when it was idle for long. */
interface BatchConnection {
  readonly pool: PgPool.PgPool
  /** How many batches use the connection or wait for it. */
  users: number
  /** Whether the connection was open when it was last used. */
  isOpen: boolean
  /** When the connection may be tried again after a refusal, in milliseconds of the clock. */
  notBefore: number
  /** The monitor while a batch runs. */
  monitor: ConnectionMonitor | undefined
}

/**
 * Runs each batch in a transaction of two round trips (decisions 18 and 40): the first statements are sent together with BEGIN,
 * and COMMIT together with the last ones. There are two connections of their own next to the pool, so that one batch is
 * decided while the database writes another (decision 25). When the server refuses one of the connections, batches use
 * the other.
 *
 * A connection whose server sends nothing for the client's `batchTimeout` is closed, and the next batch opens another.
 * A connection that was open before must answer BEGIN sooner. Until then nothing can be committed, so the batch runs
 * again on a new connection.
 */
export const makePipelinedTransactions = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  config: PgClient.PgClient["config"] & Partial<ServerTimeouts>
): Effect.fn.Return<BatchTransaction["Service"], never, Scope.Scope> {
  const clock = yield* Clock.Clock
  const batchMillis = Duration.toMillis(config.batchTimeout ?? defaultTimeouts.batchTimeout)
  const beginMillis = Math.min(probeMillis, batchMillis)
  // Half of the batch timeout, so that batches that wait for the locks of a vanished client get them before they fail.
  const idleMillis = Number.isFinite(batchMillis) ? Math.ceil(Math.min(batchMillis / 2, maxSettingMillis)) : undefined
  // One transaction at a time: the statements of two transactions must not mix on a connection.
  const makePool = PgPool.make({
    ...config,
    multiplex: true,
    multiplexConcurrency: 1,
    minConnections: 0,
    maxConnections: 1
  })
  const makeConnection = Effect.map(Effect.orDie(makePool), (pool): BatchConnection => ({
    pool,
    users: 0,
    isOpen: false,
    notBefore: 0,
    monitor: undefined
  }))
  // A third batch would only wait for this process, which decides one batch at a time.
  const connections = [yield* makeConnection, yield* makeConnection] as const
  const findOpen = () => connections.find(({ isOpen }) => isOpen)
  const chooseConnection = () => {
    const now = clock.currentTimeMillisUnsafe()
    return connections.find(({ notBefore, users }) => users === 0 && notBefore <= now) ?? findOpen() ?? connections[0]
  }
  const known = new WeakSet<ConnectionMonitor>()

  const runOn = <A>(
    connection: BatchConnection,
    decide: Effect.Effect<Decided<A>, SqlError.SqlError>,
    mayRunAgain = true
  ): Effect.Effect<A, BatchFailed> =>
    Effect.suspend(() => {
      let isConnected = false
      let hasBegun = false
      let commitSent = false
      // The server does not commit a transaction in which it has refused a statement. After a broken connection, that
      // is unknown.
      let isRefused = false
      const noteRefusal = (write: Effect.Effect<unknown, SqlError.SqlError>) =>
        Effect.tapError(write, ({ reason }) =>
          Effect.sync(() => {
            if (reason._tag !== "ConnectionError") isRefused = true
          })
        )
      connection.users++
      return connection.pool
        .use((session) => {
          isConnected = true
          connection.isOpen = true
          const monitor = ConnectionMonitor.of(session)
          const isNew = !known.has(monitor)
          known.add(monitor)
          connection.monitor = monitor
          // The timeout is that of the whole transaction.
          const sqlConnection = toSqlConnection(
            session,
            (statement) => statement,
            () => Stream.die(new Error("a batch reads no streams"))
          )
          const begin = Effect.tap(session.query(beginStatement), () =>
            Effect.sync(() => {
              hasBegun = true
            })
          )
          const sendCommit = Effect.suspend(() => {
            commitSent = true
            return commit(session)
          })
          const transaction = Effect.all([begin, decide], { concurrency: "unbounded" }).pipe(
            Effect.flatMap(([, { afterCommit, answer, writes }]) =>
              Effect.as(Effect.andThen(sendInOrder([...writes.map(noteRefusal), sendCommit]), afterCommit), answer)
            ),
            Effect.provideContext(
              Context.make(sql.transactionService, [sqlConnection, 0] as const).pipe(
                Context.add(IdleTransactionMillis, idleMillis)
              )
            ),
            Effect.onError(() => Effect.ignore(sqlConnection.executeRaw("ROLLBACK", [])))
          )
          const beginTimeout = isNew || !mayRunAgain ? batchMillis : beginMillis
          return monitor.withTimeout(transaction, () => (hasBegun ? batchMillis : beginTimeout))
        })
        .pipe(
          Effect.ensuring(
            Effect.sync(() => {
              connection.users--
              connection.monitor = undefined
            })
          ),
          Effect.catch((error) => {
            if (error.reason._tag === "ConnectionError" || !isConnected) connection.isOpen = false
            if (isConnected && !hasBegun && mayRunAgain && isNoAnswer(error)) return runOn(connection, decide, false)
            const other = isConnected ? undefined : findOpen()
            if (other === undefined) return Effect.fail(toBatchFailed(error, commitSent && !isRefused))
            connection.notBefore = clock.currentTimeMillisUnsafe() + refusalMillis
            return runOn(other, decide)
          })
        )
    })

  const run: RunInTransaction = (decide) => Effect.suspend(() => runOn(chooseConnection(), decide))

  return {
    run,
    maxConcurrent: connections.length,
    stuckMillis: () => {
      const longest = Math.max(...connections.map(({ monitor }) => monitor?.silentMillis ?? 0))
      return longest >= Math.min(stuckMillis, batchMillis) ? longest : undefined
    }
  }
})

/** The largest value of a setting in milliseconds. */
const maxSettingMillis = 2 ** 31 - 1

const toBatchFailed = (error: SqlError.SqlError, mayHaveCommitted: boolean): BatchFailed => {
  const timedOut = isNoAnswer(error)
  const why = databaseErrorText(error)
  if (mayHaveCommitted && error.reason._tag === "ConnectionError" && error.reason.operation !== "commit") {
    return new BatchFailed({ error: possiblyCommittedError(why), mayHaveCommitted, timedOut })
  }
  return new BatchFailed({ error: timedOut ? notCommittedError(why) : error, mayHaveCommitted, timedOut })
}

const commit = (session: PgConnection.PgConnection) =>
  Effect.flatMap(ConnectionMonitor.of(session).requireConfirmation(session.query("COMMIT")), ({ command }) =>
    command === "COMMIT" ? Effect.void : Effect.fail(rolledBackError(command))
  )
