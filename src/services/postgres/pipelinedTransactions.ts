import { type PgClient, PgPool } from "@effect/sql-pg"
import { Clock, Duration, Effect, type Scope } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { isNoAnswer } from "../../sql/AnswerTimeout.ts"
import { databaseErrorText } from "../../sql/databaseErrors.ts"
import { type Batch, BatchFailed, type BatchTransaction, type RunInTransaction } from "../commands/BatchTransaction.ts"
import { ConnectionMonitor, notCommittedError, possiblyCommittedError } from "./ConnectionMonitor.ts"
import { defaultTimeouts, probeMillis, type ServerTimeouts } from "./PostgresClient.ts"
import { areStatementsLost } from "./RoundTrips.ts"
import { closeReplaced, type Durability, isClosedAsReplaced } from "./Durability.ts"
import { type BatchProgress, runBatch } from "./runBatch.ts"

/** How long a connection that the server refused is not tried again while the other one is open, in milliseconds. */
const refusalMillis = 1_000

/** How long a batch may be without an answer before commands count as stuck for readiness checks, in milliseconds. */
const stuckMillis = 10_000

/**
 * A connection that received something within this time, in milliseconds, is not asked for a sign of life before the first
 * statement of a batch. If that has to wait for locks for as long as a dead connection is waited for, the batch runs again on
 * another connection, which is asked.
 */
const aliveMillis = 100

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
  config: PgClient.PgClient["config"] & Partial<ServerTimeouts>,
  durability: Durability
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

  const runOn = <A>(connection: BatchConnection, batch: Batch<A>, mayRunAgain = true): Effect.Effect<A, BatchFailed> =>
    Effect.suspend(() => {
      let isConnected = false
      const progress: BatchProgress = { hasBegun: false, commitSent: false, isRefused: false }
      connection.users++
      return connection.pool
        .use((session) => {
          isConnected = true
          connection.isOpen = true
          const monitor = ConnectionMonitor.of(session)
          const isNew = !known.has(monitor)
          known.add(monitor)
          connection.monitor = monitor
          const answersAtOnce = !mayRunAgain || performance.now() - monitor.lastReceivedAt > aliveMillis
          const transaction = Effect.flatMap(durability.identify(session), (isCurrent) =>
            isCurrent
              ? runBatch(sql, session, batch, { answersAtOnce, idleMillis, progress, durability })
              : Effect.fail(closeReplaced(session))
          )
          const beginTimeout = isNew || !mayRunAgain ? batchMillis : beginMillis
          return monitor.withTimeout(transaction, () => (progress.hasBegun ? batchMillis : beginTimeout))
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
            const { commitSent, hasBegun, isRefused } = progress
            const isDead = isConnected && !hasBegun && (isNoAnswer(error) || isClosedAsReplaced(error))
            if (mayRunAgain && (isDead || (!commitSent && areStatementsLost(error))))
              return runOn(connection, batch, false)
            const other = isConnected ? undefined : findOpen()
            if (other === undefined) return Effect.fail(toBatchFailed(error, commitSent && !isRefused))
            connection.notBefore = clock.currentTimeMillisUnsafe() + refusalMillis
            return runOn(other, batch)
          })
        )
    })

  const run: RunInTransaction = (batch) => Effect.suspend(() => runOn(chooseConnection(), batch))

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
