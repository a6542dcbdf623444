import { PgClient, type PgConnection, PgPool } from "@effect/sql-pg"
import { Context, Duration, Effect, type Layer, Option, type Redacted, type Scope } from "effect"
import type { Reactivity } from "effect/reactivity"
import { SqlClient, type SqlConnection, SqlError, Statement } from "effect/sql"
import { toSqlConnection, ConnectionMonitor } from "./ConnectionMonitor.ts"
import { makeServerConfig } from "./serverConfig.ts"
import { AnswerTimeout, isNoAnswer } from "../../sql/AnswerTimeout.ts"

/** A connection that was silent for so long is asked for a sign of life before it is used, in milliseconds. */
const idleMillis = 15_000

/** How long the sign of life may take, in milliseconds. */
export const probeMillis = 3_000

/** How long the server may take, and how long to wait for a connection of the pool. */
export interface ServerTimeouts {
  /** How long the server may leave a statement outside of batches without a byte of its answer. */
  readonly answerTimeout: Duration.Duration
  /** How long the server may leave a batch of commands without a byte of its answer. */
  readonly batchTimeout: Duration.Duration
  /** How long to wait for a connection of the pool. */
  readonly acquireTimeout: Duration.Duration
}

/**
 * A client over a pool of connections that may die without a sign: one that was idle is probed before it is used, and
 * one that leaves a statement without an answer is closed. The client of `@effect/sql-pg` hides its connections, which is
 * why this one is built from the same parts.
 */
const makePostgresClient = Effect.fnUntraced(function* (
  config: PgClient.PgPoolConfig & ServerTimeouts
): Effect.fn.Return<PgClient.PgClient, SqlError.SqlError, Scope.Scope | Reactivity.Reactivity> {
  const pool = yield* PgPool.make(config)
  const maximum = config.maxConnections ?? 10
  const acquireMillis = Duration.toMillis(config.acquireTimeout)
  const answerMillis = Duration.toMillis(config.answerTimeout)
  /** Connections that last heard of the server before this are not trusted: another one was found dead. */
  let suspectBefore = 0
  /** How many use a connection of the pool or wait for one. */
  let users = 0

  const guarded = <A>(
    session: PgConnection.PgConnection,
    statement: Effect.Effect<A, SqlError.SqlError>,
    longest = Number.POSITIVE_INFINITY
  ) =>
    Effect.flatMap(AnswerTimeout, (own) => {
      const given = own === undefined ? answerMillis : Duration.toMillis(own)
      const millis = Math.min(Number.isFinite(given) ? Math.min(given, answerMillis) : given, longest)
      return Effect.tapError(ConnectionMonitor.of(session).withTimeout(statement, millis), (error) =>
        Effect.sync(() => {
          if (isNoAnswer(error)) suspectBefore = performance.now()
        })
      )
    })

  const connectionOf = (session: PgConnection.PgConnection): SqlConnection.Connection =>
    toSqlConnection(session, (statement) => guarded(session, statement))

  /** A connection that is known to work, or is new. */
  const get: Effect.Effect<PgConnection.PgConnection, SqlError.SqlError, Scope.Scope> = Effect.gen(function* () {
    for (;;) {
      const session = yield* pool.get
      const { lastReceivedAt } = ConnectionMonitor.of(session)
      if (performance.now() - lastReceivedAt < idleMillis && lastReceivedAt >= suspectBefore) return session
      if (lastReceivedAt >= suspectBefore) {
        const probe = guarded(session, session.query("SELECT 1", [], false), probeMillis)
        if (Option.isSome(yield* Effect.option(probe))) return session
      }
      yield* pool.invalidate(session)
    }
  })

  const inTime = Effect.timeoutOrElse(get, {
    duration: acquireMillis,
    orElse: () =>
      Effect.fail(
        new SqlError.SqlError({
          reason: new SqlError.ConnectionError({
            cause: new Error("all connections are in use"),
            message: `no connection of the pool became free within ${acquireMillis / 1000} seconds`,
            operation: "acquire"
          })
        })
      )
  })

  const counted = Effect.acquireRelease(
    Effect.sync(() => users++),
    () => Effect.sync(() => users--)
  )

  // A timer for those that have to wait; connecting has a timeout of its own.
  const acquired = Effect.andThen(
    counted,
    Effect.suspend(() => (users > maximum ? inTime : get))
  )

  const acquirer = Effect.map(acquired, connectionOf)
  const reserved = Effect.flatMap(acquired, (session) => session.pin)

  return Object.assign(
    yield* SqlClient.make({
      acquirer,
      transactionAcquirer: Effect.map(reserved, connectionOf),
      compiler: PgClient.makeCompiler(),
      driver: "pg",
      prepareTransactionControls: true,
      commit,
      releaseSavepoint: (name) => `RELEASE SAVEPOINT ${name}`,
      spanAttributes: [
        ["db.system.name", "postgresql"],
        ["db.namespace", config.database ?? config.username ?? "postgres"],
        ["server.address", config.host ?? "localhost"],
        ["server.port", config.port ?? 5432]
      ]
    }),
    {
      [PgClient.TypeId]: PgClient.TypeId,
      config,
      json: (value: unknown) => Statement.fragment([jsonParameter(value, undefined, undefined)]),
      listen: (channel: string) => Effect.flatMap(reserved, (session) => session.listen(channel)),
      notify: (channel: string, payload: string) =>
        Effect.asVoid(
          Effect.scoped(
            Effect.flatMap(acquirer, ({ executeRaw }) => executeRaw("SELECT pg_notify($1, $2)", [channel, payload]))
          )
        )
    }
  )
})

/** The fragment that the compiler of `@effect/sql-pg` encodes as `jsonb`. */
const jsonParameter = Statement.custom<PgClient.PgCustom>("PgJson")

/** The server ends COMMIT of a transaction that has failed with ROLLBACK. */
const commit = (connection: SqlConnection.Connection): Effect.Effect<void, SqlError.SqlError> =>
  Effect.flatMap(connection.executeRaw("COMMIT", []), (result) =>
    (result as PgConnection.Result).command === "ROLLBACK"
      ? Effect.fail(
          new SqlError.SqlError({
            reason: new SqlError.UnknownError({
              cause: new Error("COMMIT ended in ROLLBACK"),
              message: "the transaction was rolled back",
              operation: "commit"
            })
          })
        )
      : Effect.void
  )

/** A Postgres server and how to use it. */
export interface PostgresOptions {
  /**
   * `postgres://user:password@host:port/database?setting=value`. Several hosts are separated by commas. What it does not
   * say is taken from the variables that libpq reads, such as `PGUSER`. A setting that is not supported fails with
   * `ConnectionSettingRefused` as the cause of a connection error.
   */
  readonly url: string | Redacted.Redacted
  /** Connections at most, next to the two on which commands are carried out. Defaults to 10. */
  readonly poolSize?: number | undefined
  /** How long to try to connect to a host. Defaults to `connect_timeout` of the URL, else 5 seconds. */
  readonly connectTimeout?: Duration.Input | undefined
  /**
   * Whether statements are prepared by name, which is faster and the default. Turn it off behind a pooler that loses
   * named statements.
   */
  readonly prepare?: boolean | undefined
  /**
   * How long the server may leave a batch of commands without a byte of its answer: waits for locks and for the
   * replication of the commit included. After that the connection is closed, and the commands fail with an `SqlError`
   * whose message says whether they may have been committed. Defaults to that of `PostgresTimeouts`: 30 seconds.
   */
  readonly batchTimeout?: Duration.Input | undefined
  /**
   * The same for every other statement: reads, and the statements of consumers and of the caller's own transactions.
   * Migrations and rebuilds have no such timeout. Defaults to that of `PostgresTimeouts`: 5 minutes.
   */
  readonly answerTimeout?: Duration.Input | undefined
  /**
   * How long to wait for a connection of the pool when all are in use. Defaults to that of `PostgresTimeouts`: 30
   * seconds.
   */
  readonly acquireTimeout?: Duration.Input | undefined
}

/** The timeouts of clients that are configured without any. */
export const defaultTimeouts: ServerTimeouts = {
  batchTimeout: Duration.seconds(30),
  answerTimeout: Duration.minutes(5),
  acquireTimeout: Duration.seconds(30)
}

/** The timeouts of clients that are configured without any, where a layer is built. */
export const PostgresTimeouts: Context.Reference<ServerTimeouts> = Context.Reference<ServerTimeouts>(
  "mosaic-backlog/services/PostgresTimeouts",
  { defaultValue: () => defaultTimeouts }
)

/** A client of a Postgres server, 15 or newer. */
export const layerPostgresClient = (
  options: PostgresOptions
): Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, SqlError.SqlError> =>
  PgClient.layerFrom(
    Effect.gen(function* () {
      const timeouts = yield* PostgresTimeouts
      return yield* makePostgresClient({
        ...(yield* makeServerConfig(options)),
        batchTimeout: durationOf(options.batchTimeout, timeouts.batchTimeout),
        answerTimeout: durationOf(options.answerTimeout, timeouts.answerTimeout),
        acquireTimeout: durationOf(options.acquireTimeout, timeouts.acquireTimeout)
      })
    })
  )

const durationOf = (given: Duration.Input | undefined, byDefault: Duration.Duration): Duration.Duration =>
  given === undefined ? byDefault : Duration.fromInputUnsafe(given)
