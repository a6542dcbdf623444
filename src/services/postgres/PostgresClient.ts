import { PgClient, type PgConnection, PgPool } from "@effect/sql-pg"
import { Context, Duration, Effect, type Layer, Option, type Redacted, type Scope } from "effect"
import type { Reactivity } from "effect/reactivity"
import { SqlClient, type SqlConnection, SqlError, Statement } from "effect/sql"
import { AnswerTimeout, isNoAnswer } from "../../sql/AnswerTimeout.ts"
import { ConnectionMonitor, rolledBackError, toSqlConnection } from "./ConnectionMonitor.ts"
import { makeDurability } from "./Durability.ts"
import { makeServerConfig, type ServerConfig } from "./serverConfig.ts"

/** A Postgres server and how to connect to it. */
export interface PostgresOptions {
  /**
   * `postgres://user:password@host:port/database?setting=value`. Several hosts are separated by commas. Settings that
   * are missing default to the variables that libpq reads, such as `PGUSER`. A setting that is not supported fails with
   * a connection error whose cause is `ConnectionSettingRefused`.
   */
  readonly url: string | Redacted.Redacted
  /**
   * Maximum connections of the pool, next to the two connections that run commands and up to two that wait until commits are
   * durable. Defaults to 10.
   */
  readonly poolSize?: number | undefined
  /** Maximum time to connect to a host. Defaults to `connect_timeout` of the URL, else 5 seconds. */
  readonly connectTimeout?: Duration.Input | undefined
  /**
   * Whether statements are prepared by name, which is faster. Use `false` behind a pooler that loses named statements.
   * Defaults to `true`.
   */
  readonly prepare?: boolean | undefined
  /**
   * Maximum time for which the server may send nothing while a batch of commands runs, including waits for locks and for the
   * replication of the commit. After that the client closes the connection, and the commands fail with an `SqlError` whose
   * message states whether they may have been committed. Defaults to that of `PostgresTimeouts`, 30 seconds.
   */
  readonly batchTimeout?: Duration.Input | undefined
  /**
   * Maximum time for which the server may send nothing while any other statement runs: reads, and the statements of consumers
   * and of the caller's own transactions. Migrations and rebuilds have no such timeout. Defaults to that of
   * `PostgresTimeouts`, 5 minutes.
   */
  readonly answerTimeout?: Duration.Input | undefined
  /** Maximum time to wait for a connection when all are in use. Defaults to that of `PostgresTimeouts`, 30 seconds. */
  readonly acquireTimeout?: Duration.Input | undefined
}

/** The timeouts of a client. */
export interface ServerTimeouts {
  /** Time that the server may send nothing while a statement outside of batches runs. */
  readonly answerTimeout: Duration.Duration
  /** Time that the server may send nothing while a batch of commands runs. */
  readonly batchTimeout: Duration.Duration
  /** Time to wait for a connection of the pool. */
  readonly acquireTimeout: Duration.Duration
}

/**
 * The timeouts of clients whose options have none: 30 seconds for batches, 5 minutes for answers, 30 seconds for
 * connections.
 */
export const defaultTimeouts: ServerTimeouts = {
  batchTimeout: Duration.seconds(30),
  answerTimeout: Duration.minutes(5),
  acquireTimeout: Duration.seconds(30)
}

/** The timeouts of clients whose options have none, where a layer is built. Defaults to `defaultTimeouts`. */
export const PostgresTimeouts: Context.Reference<ServerTimeouts> = Context.Reference<ServerTimeouts>(
  "mosaic-backlog/services/PostgresTimeouts",
  { defaultValue: () => defaultTimeouts }
)

/** A client of a Postgres server, version 15 or newer. */
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

/** How long a connection may be idle before it is probed when it is used again, in milliseconds. */
const maxIdleMillis = 15_000

/** The timeout of a probe, in milliseconds. */
export const probeMillis = 3_000

/**
 * A client over a pool whose connections may die without a sign (decision 27): a connection that was idle is probed
 * before it is used, and one whose server does not answer a statement is closed. It is built from the parts of the
 * client of `@effect/sql-pg`, which does not expose its connections.
 */
const makePostgresClient = Effect.fnUntraced(function* (
  config: ServerConfig & ServerTimeouts
): Effect.fn.Return<PgClient.PgClient, SqlError.SqlError, Scope.Scope | Reactivity.Reactivity> {
  const spanAttributes: Array<readonly [string, unknown]> = [
    ["db.system.name", "postgresql"],
    ["db.namespace", config.database ?? config.username ?? "postgres"]
  ]
  config.onHost(({ host, port }) => {
    // Statements that follow share the array. After a failover they go to the new host.
    spanAttributes.splice(2, 2, ["server.address", host], ["server.port", port])
  })
  const pool = yield* PgPool.make(config)
  const durability = yield* makeDurability(config, pool)
  const maxConnections = config.maxConnections ?? 10
  const acquireMillis = Duration.toMillis(config.acquireTimeout)
  const answerMillis = Duration.toMillis(config.answerTimeout)
  /** When a dead connection was last found. Connections that last received something before that are not used. */
  let suspectBefore = 0
  /** How many callers use a connection of the pool or wait for one. */
  let users = 0

  const withAnswerTimeout = <A>(
    session: PgConnection.PgConnection,
    statement: Effect.Effect<A, SqlError.SqlError>,
    maxMillis = Number.POSITIVE_INFINITY
  ) =>
    Effect.flatMap(AnswerTimeout, (timeout) => {
      const given = timeout === undefined ? answerMillis : Duration.toMillis(timeout)
      const millis = Math.min(Number.isFinite(given) ? Math.min(given, answerMillis) : given, maxMillis)
      return Effect.tapError(ConnectionMonitor.of(session).withTimeout(statement, millis), (error) =>
        Effect.sync(() => {
          if (isNoAnswer(error)) suspectBefore = performance.now()
        })
      )
    })

  const toConnection = (session: PgConnection.PgConnection): SqlConnection.Connection =>
    toSqlConnection(session, (statement) => withAnswerTimeout(session, statement))

  /** A connection that was probed, was used recently, or is new. */
  const get: Effect.Effect<PgConnection.PgConnection, SqlError.SqlError, Scope.Scope> = Effect.gen(function* () {
    for (;;) {
      const session = yield* pool.get
      const { lastReceivedAt } = ConnectionMonitor.of(session)
      if (!(yield* durability.identify(session))) {
        yield* pool.invalidate(session)
        continue
      }
      if (performance.now() - lastReceivedAt < maxIdleMillis && lastReceivedAt >= suspectBefore) return session
      if (lastReceivedAt >= suspectBefore) {
        const probe = withAnswerTimeout(session, session.query("SELECT 1", [], false), probeMillis)
        if (Option.isSome(yield* Effect.option(probe))) return session
      }
      yield* pool.invalidate(session)
    }
  })

  const getWithTimeout = Effect.timeoutOrElse(get, {
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

  const countUser = Effect.acquireRelease(
    Effect.sync(() => users++),
    () => Effect.sync(() => users--)
  )

  // Only a caller that has to wait gets the timeout: connecting has one of its own.
  const acquire = Effect.andThen(
    countUser,
    Effect.suspend(() => (users > maxConnections ? getWithTimeout : get))
  )

  const acquirer = Effect.map(acquire, toConnection)
  const reserve = Effect.flatMap(acquire, (session) => session.pin)

  return Object.assign(
    yield* SqlClient.make({
      acquirer,
      transactionAcquirer: Effect.map(reserve, toConnection),
      compiler: PgClient.makeCompiler(),
      driver: "pg",
      prepareTransactionControls: true,
      commit,
      releaseSavepoint: (name) => `RELEASE SAVEPOINT ${name}`,
      spanAttributes
    }),
    {
      [PgClient.TypeId]: PgClient.TypeId,
      config: { ...config, durability },
      json: (value: unknown) => Statement.fragment([jsonParameter(value, undefined, undefined)]),
      listen: (channel: string) => Effect.flatMap(reserve, (session) => session.listen(channel)),
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

const commit = (connection: SqlConnection.Connection): Effect.Effect<void, SqlError.SqlError> =>
  Effect.flatMap(connection.executeRaw("COMMIT", []), (result) => {
    const { command } = result as PgConnection.Result
    return command === "ROLLBACK" ? Effect.fail(rolledBackError(command)) : Effect.void
  })
