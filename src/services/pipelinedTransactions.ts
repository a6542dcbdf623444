import { type PgClient, type PgConnection, PgPool } from "@effect/sql-pg"
import { Clock, Effect, type Scope, Stream } from "effect"
import { type SqlClient, type SqlConnection, SqlError } from "effect/sql"
import { sendInOrder } from "../events/sendInOrder.ts"
import { BatchFailed } from "./BatchFailed.ts"
import { beginStatement, type Decided, planOnceStatement, type RunInTransaction } from "./RunInTransaction.ts"

/** How long a connection that was refused is not asked for again while another one serves. */
const refusalMillis = 1_000

/** One connection, opened when it is needed and closed when it has not been for long. */
interface Lane {
  readonly pool: PgPool.PgPool
  /** How many use it or wait for it. */
  users: number
  /** Whether it was there when it was last asked for. */
  isOpen: boolean
  /** When it may be asked for again, in milliseconds of the clock. */
  notBefore: number
}

/**
 * Transactions on connections of their own, each of which takes statements before it has answered those before: the first
 * statements go with BEGIN, and COMMIT with the last, so that a transaction takes two round trips. A server that refuses
 * one of the connections makes transactions wait for the other.
 */
export const makePipelinedTransactions = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  config: PgClient.PgClient["config"]
): Effect.fn.Return<{ readonly run: RunInTransaction; readonly atOnce: number }, never, Scope.Scope> {
  const clock = yield* Clock.Clock
  // One transaction at a time on each: statements of two must not meet on a connection.
  const makePool = PgPool.make({
    ...config,
    multiplex: true,
    multiplexConcurrency: 1,
    minConnections: 0,
    maxConnections: 1
  })
  const makeLane = Effect.map(Effect.orDie(makePool), (pool): Lane => ({ pool, users: 0, isOpen: false, notBefore: 0 }))
  // One is decided while the database writes the other: a third would wait for this process, which does one thing at a time.
  const lanes = [yield* makeLane, yield* makeLane] as const
  const openLane = () => lanes.find(({ isOpen }) => isOpen)
  const freeLane = () => {
    const now = clock.currentTimeMillisUnsafe()
    return lanes.find(({ notBefore, users }) => users === 0 && notBefore <= now) ?? openLane() ?? lanes[0]
  }

  const runOn = <A>(lane: Lane, decide: Effect.Effect<Decided<A>, SqlError.SqlError>): Effect.Effect<A, BatchFailed> =>
    Effect.suspend(() => {
      let isConnected = false
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
          const connection = connectionOf(session)
          const begin = connection.executeRaw(beginStatement, [])
          const planOnce = connection.execute(planOnceStatement, [], undefined)
          const commit = Effect.suspend(() => {
            commitSent = true
            return committed(session)
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
            })
          ),
          Effect.catch((error) => {
            if (error.reason._tag === "ConnectionError" || !isConnected) lane.isOpen = false
            const other = isConnected ? undefined : openLane()
            if (other === undefined)
              return Effect.fail(new BatchFailed({ error, mayHaveCommitted: commitSent && !refused }))
            lane.notBefore = clock.currentTimeMillisUnsafe() + refusalMillis
            return runOn(other, decide)
          })
        )
    })

  const run: RunInTransaction = (decide) => Effect.suspend(() => runOn(freeLane(), decide))

  return { run, atOnce: lanes.length }
})

/** The server answers COMMIT of a transaction that has failed with ROLLBACK, and that is no error to it. */
const committed = (session: PgConnection.PgConnection) =>
  Effect.flatMap(session.query("COMMIT"), ({ command }) =>
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

/** A session as the client's statements use one. */
const connectionOf = (session: PgConnection.PgConnection): SqlConnection.Connection => {
  const rows = (text: string, params: ReadonlyArray<unknown>, prepare: boolean) =>
    Effect.map(session.query(text, params, prepare), (result) => result.rows)
  return {
    execute: (text, params, transform) =>
      transform === undefined ? rows(text, params, true) : Effect.map(rows(text, params, true), transform),
    executeUnprepared: (text, params, transform) =>
      transform === undefined ? rows(text, params, false) : Effect.map(rows(text, params, false), transform),
    executeRaw: (text, params) => session.query(text, params),
    executeValues: (text, params) => session.queryValues(text, params),
    executeValuesUnprepared: (text, params) => session.queryValues(text, params, false),
    executeStream: () => Stream.die(new Error("a batch reads no streams"))
  }
}
