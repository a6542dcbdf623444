import { type PgClient, type PgConnection, PgPool } from "@effect/sql-pg"
import { Clock, Duration, Effect, type Scope, Stream } from "effect"
import { type SqlClient, SqlError } from "effect/sql"
import {
  BatchFailed,
  type BatchTransaction,
  beginStatement,
  type Decided,
  batchSettingsStatement,
  type RunInTransaction
} from "../commands/BatchTransaction.ts"
import {
  ConnectionMonitor,
  notCommittedError,
  possiblyCommittedError,
  requireConfirmation,
  toSqlConnection
} from "./ConnectionMonitor.ts"
import { defaultTimeouts, probeMillis, type ServerTimeouts } from "./PostgresClient.ts"
import { isNoAnswer } from "../../sql/AnswerTimeout.ts"
import { databaseErrorText } from "../../sql/databaseErrors.ts"
import { sendInOrder } from "../../sql/bulkStatements.ts"

/** How long a connection that was refused is not asked for again while another one serves. */
const refusalMillis = 1_000

/** The silence after which a batch counts as stuck for readiness checks, in milliseconds. */
const stuckMillis = 10_000

/** One connection, opened when it is needed and closed when it has not been for long. */
interface Lane {
  readonly pool: PgPool.PgPool
  /** How many use it or wait for it. */
  users: number
  /** Whether it was there when it was last asked for. */
  isOpen: boolean
  /** When it may be asked for again, in milliseconds of the clock. */
  notBefore: number
  /** The connection that a batch is under way on. */
  watch: ConnectionMonitor | undefined
}

/**
 * Transactions on connections of their own, each of which takes statements before it has answered those before: the first
 * statements go with BEGIN, and COMMIT with the last, so that a transaction takes two round trips. A server that refuses
 * one of the connections makes transactions wait for the other.
 *
 * A connection on which the server stays silent for the client's `batchTimeout` is closed, and the next batch opens
 * another. One that was open already has to answer BEGIN sooner: until then nothing was committed, so the batch runs again
 * on a new connection.
 */
export const makePipelinedTransactions = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  config: PgClient.PgClient["config"] & Partial<ServerTimeouts>
): Effect.fn.Return<BatchTransaction["Service"], never, Scope.Scope> {
  const clock = yield* Clock.Clock
  const batchMillis = Duration.toMillis(config.batchTimeout ?? defaultTimeouts.batchTimeout)
  const beginMillis = Math.min(probeMillis, batchMillis)
  const settings = `${batchSettingsStatement}, ${endAbandoned(batchMillis)}`
  // One transaction at a time on each: statements of two must not meet on a connection.
  const makePool = PgPool.make({
    ...config,
    multiplex: true,
    multiplexConcurrency: 1,
    minConnections: 0,
    maxConnections: 1
  })
  const makeLane = Effect.map(Effect.orDie(makePool), (pool): Lane => ({
    pool,
    users: 0,
    isOpen: false,
    notBefore: 0,
    watch: undefined
  }))
  // One is decided while the database writes the other: a third would wait for this process, which does one thing at a time.
  const lanes = [yield* makeLane, yield* makeLane] as const
  const openLane = () => lanes.find(({ isOpen }) => isOpen)
  const freeLane = () => {
    const now = clock.currentTimeMillisUnsafe()
    return lanes.find(({ notBefore, users }) => users === 0 && notBefore <= now) ?? openLane() ?? lanes[0]
  }
  const used = new WeakSet<ConnectionMonitor>()

  const runOn = <A>(
    lane: Lane,
    decide: Effect.Effect<Decided<A>, SqlError.SqlError>,
    mayRunAgain = true
  ): Effect.Effect<A, BatchFailed> =>
    Effect.suspend(() => {
      let isConnected = false
      let hasBegun = false
      let commitSent = false
      // The server does not commit what it has refused a statement of. Of one that broke off nobody can tell.
      let refused = false
      const watched = (write: Effect.Effect<unknown, SqlError.SqlError>) =>
        Effect.tapError(write, ({ reason }) =>
          Effect.sync(() => {
            if (reason._tag !== "ConnectionError") refused = true
          })
        )
      lane.users++
      return lane.pool
        .use((session) => {
          isConnected = true
          lane.isOpen = true
          const watch = ConnectionMonitor.of(session)
          const isNew = !used.has(watch)
          used.add(watch)
          lane.watch = watch
          const guard = <B>(statement: Effect.Effect<B, SqlError.SqlError>) => watch.withTimeout(statement, batchMillis)
          const connection = toSqlConnection(session, guard, () => Stream.die(new Error("a batch reads no streams")))
          const begin = Effect.tap(
            watch.withTimeout(session.query(beginStatement), isNew || !mayRunAgain ? batchMillis : beginMillis),
            () =>
              Effect.sync(() => {
                hasBegun = true
              })
          )
          const planOnce = connection.execute(settings, [], undefined)
          const commit = Effect.suspend(() => {
            commitSent = true
            return guard(committed(session))
          })
          return Effect.all([begin, planOnce, decide], { concurrency: "unbounded" }).pipe(
            Effect.flatMap(([, , { afterCommit, answer, writes }]) =>
              Effect.as(Effect.andThen(sendInOrder([...writes.map(watched), commit]), afterCommit), answer)
            ),
            Effect.provideService(sql.transactionService, [connection, 0]),
            Effect.onError(() => Effect.ignore(connection.executeRaw("ROLLBACK", [])))
          )
        })
        .pipe(
          Effect.ensuring(
            Effect.sync(() => {
              lane.users--
              lane.watch = undefined
            })
          ),
          Effect.catch((error) => {
            if (error.reason._tag === "ConnectionError" || !isConnected) lane.isOpen = false
            if (isConnected && !hasBegun && mayRunAgain && isNoAnswer(error)) return runOn(lane, decide, false)
            const other = isConnected ? undefined : openLane()
            if (other === undefined) return Effect.fail(failureOf(error, commitSent && !refused))
            lane.notBefore = clock.currentTimeMillisUnsafe() + refusalMillis
            return runOn(other, decide)
          })
        )
    })

  const run: RunInTransaction = (decide) => Effect.suspend(() => runOn(freeLane(), decide))

  return {
    run,
    maxConcurrent: lanes.length,
    stuckMillis: () => {
      const longest = Math.max(...lanes.map(({ watch }) => watch?.silentMillis ?? 0))
      return longest >= Math.min(stuckMillis, batchMillis) ? longest : undefined
    }
  }
})

/**
 * Lets the server end a transaction whose client has vanished, which would keep its locks. Half of the time that others
 * wait for those locks: they get them before they give up. A setting of the role stays as it is.
 */
const endAbandoned = (batchMillis: number): string => {
  const millis = Number.isFinite(batchMillis) ? Math.ceil(Math.min(batchMillis / 2, longestSetting)) : 0
  return `set_config('idle_in_transaction_session_timeout', CASE current_setting('idle_in_transaction_session_timeout')
    WHEN '0' THEN '${millis}' ELSE current_setting('idle_in_transaction_session_timeout') END, true)`
}

/** The largest number of milliseconds that a setting takes. */
const longestSetting = 2 ** 31 - 1

const failureOf = (error: SqlError.SqlError, isUnknown: boolean): BatchFailed => {
  const timedOut = isNoAnswer(error)
  const why = databaseErrorText(error)
  if (isUnknown && error.reason._tag === "ConnectionError" && error.reason.operation !== "commit") {
    return new BatchFailed({ error: possiblyCommittedError(why), mayHaveCommitted: true, timedOut })
  }
  return new BatchFailed({ error: timedOut ? notCommittedError(why) : error, mayHaveCommitted: isUnknown, timedOut })
}

/** The server answers COMMIT of a transaction that has failed with ROLLBACK, and that is no error to it. */
const committed = (session: PgConnection.PgConnection) =>
  Effect.flatMap(requireConfirmation(ConnectionMonitor.of(session), session.query("COMMIT")), ({ command }) =>
    command === "COMMIT"
      ? Effect.void
      : Effect.fail(
          new SqlError.SqlError({
            reason: new SqlError.UnknownError({
              cause: new Error(`COMMIT ended in ${command}`),
              message: "the transaction was rolled back",
              operation: "commit"
            })
          })
        )
  )
