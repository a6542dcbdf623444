/**
 * Shadow tables: tables of a backlog that are filled in a second schema, `mosaic_rebuild_` and the live schema's oid, and
 * then swapped in for the live tables (`swapTables`). A rebuild fills them from the log, a removal copies the live rows
 * (decisions 12 and 38). Only one of the two is under way at a time: the shadow table `work` has one row, with its nonce,
 * its kind, and the time of its last step.
 *
 * Locks, in addition to the lock order in `ReadModel.ts`: every transaction here first locks the table `rebuild_lock`, in
 * `EXCLUSIVE` mode to create or drop the shadow schema, in `ROW EXCLUSIVE` mode to use it. The swap then locks the live
 * tables and, in a rebuild, the head. Each try waits for a lock for 300 ms at most, so commands continue in between.
 */
import { Clock, Data, Duration, Effect } from "effect"
import { type SqlClient, SqlError } from "effect/sql"
import { randomUUID } from "node:crypto"
import type { CardId } from "../domain/CardId.ts"
import { erasableTables } from "./erasableColumns.ts"
import { AnswerTimeout } from "../sql/AnswerTimeout.ts"
import { inTransaction } from "../sql/inTransaction.ts"

/** The name of the shadow schema. */
const shadowSchema = (sql: SqlClient.SqlClient, schema: string) =>
  Effect.map(
    sql<{ readonly name: string }>`SELECT 'mosaic_rebuild_' || ${schema}::regnamespace::oid::text AS name`,
    (rows) => rows[0]?.name ?? "mosaic_rebuild"
  )

/** Locks the shadow schema until the caller's transaction ends. Must come before any other lock. */
export const lockShadowSchema = (sql: SqlClient.SqlClient, schema: string, mode: "shared" | "exclusive") =>
  sql`LOCK TABLE ${sql(`${schema}.rebuild_lock`)} IN ${sql.literal(mode === "exclusive" ? "EXCLUSIVE" : "ROW EXCLUSIVE")} MODE`

/**
 * Deletes a card's row from the shadow tables, in the caller's transaction, which has locked the shadow schema. A rebuild
 * that is under way inserts the row again when it catches up. The old row's bytes stay in its file until a removal.
 */
export const deleteShadowRow = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, schema: string, id: CardId) {
  const cards = `${yield* shadowSchema(sql, schema)}.cards`
  const [found] = yield* sql<{ readonly may: boolean | null }>`
    SELECT has_table_privilege(to_regclass(${cards}), 'DELETE') AS may`
  if (found?.may !== true) return
  yield* sql`DELETE FROM ${sql(cards)} WHERE id = ${id}`
})

/** What uses the shadow tables. */
type Kind = "rebuild" | "removal"

/**
 * Maximum time that a try waits for a lock, during which commands wait behind it. Less than a server's `deadlock_timeout`, so
 * in a deadlock this transaction ends and not a command.
 */
const lockTimeout = "300ms"

/** The server ends a transaction that is idle for this long, so a program that hangs does not keep commands waiting. */
const idleTimeout = "10s"

/** Limits how long the rest of the transaction may keep commands waiting. */
export const limitLockWait = (sql: SqlClient.SqlClient) => sql`
  SELECT pg_catalog.set_config('lock_timeout', ${lockTimeout}, true),
    pg_catalog.set_config('idle_in_transaction_session_timeout', ${idleTimeout}, true)`

/** Seconds after its last step at which a rebuild or removal counts as ended. */
const aliveSeconds = 15

/** The nonce of work that was ended by a redaction. */
const abandonedNonce = ""

/** How long work that has ended tries to drop the shadow schema. */
const endTimeout = Duration.seconds(5)

/** The time between two tries, at first and at most, in milliseconds. Commands continue meanwhile. */
const retryDelay = { first: 100, longest: 1_000 } as const

/** More was changed than the swap may take in. It is tried again after catching up. */
export class TooFarBehind extends Data.TaggedError("TooFarBehind") {}

/** Whether a swap that failed with this is worth another try. */
export const isRetryable = (error: unknown): error is TooFarBehind | SqlError.SqlError =>
  error instanceof TooFarBehind || isLockConflict(error)

/** Whether other transactions held a lock for too long. */
const isLockConflict = (error: unknown): error is SqlError.SqlError =>
  SqlError.isSqlError(error) && (error.reason._tag === "LockTimeoutError" || error.reason._tag === "DeadlockError")

/**
 * Tries until the locks could be taken, with a delay that doubles up to `longestDelay` milliseconds. After `timeout` it runs
 * `onTimeout` with the seconds that have passed.
 */
export const retryOnLockConflict = Effect.fnUntraced(function* <A, E, E2>(
  attempt: Effect.Effect<A, E>,
  options: {
    readonly timeout: Duration.Duration
    readonly longestDelay: number
    readonly onTimeout: (waitedSeconds: number) => Effect.Effect<never, E2>
  }
) {
  const startedAt = yield* Clock.currentTimeMillis
  for (let delay: number = retryDelay.first; ; delay = Math.min(delay * 2, options.longestDelay)) {
    const result = yield* attempt.pipe(
      Effect.map((value) => ({ value })),
      Effect.catchIf(isRetryable, () => Effect.void),
      Effect.mapError((error) => error as Exclude<E, TooFarBehind>)
    )
    if (result) return result.value
    const waited = (yield* Clock.currentTimeMillis) - startedAt
    if (waited >= Duration.toMillis(options.timeout)) return yield* options.onTimeout(toSeconds(waited))
    yield* Effect.sleep(delay)
  }
})

/**
 * Creates empty shadow tables, in place of those that earlier work left. A rebuild replaces any work that is under way. A
 * removal does not replace a rebuild or another removal whose last step was less than 15 seconds ago: then it fails with
 * the error of `busy`.
 *
 * Returns the name of the shadow schema; `step`, which runs an effect as one transaction of this work, and fails with the
 * error of `superseded` if other work has replaced this; and `end`, which must be run at the end.
 */
export const createShadowTables = Effect.fnUntraced(function* <E, E2, E3, E4>(options: {
  readonly sql: SqlClient.SqlClient
  readonly schema: string
  readonly kind: Kind
  /** Creates the empty tables of a backlog in an empty schema. */
  readonly createTables: (schema: string) => Effect.Effect<void, SqlError.SqlError>
  /** A check in the transaction that creates the schema. */
  readonly check: (shadow: string) => Effect.Effect<void, E | SqlError.SqlError>
  readonly superseded: () => E2
  readonly busy: (kind: Kind) => E3
  /** How long it tries to take the locks. */
  readonly timeout: Duration.Duration
  /** The error if it could not take the locks in that time. */
  readonly blocked: (waitedSeconds: number) => E4
}) {
  const { schema, sql } = options
  const shadow = yield* shadowSchema(sql, schema)
  const workTable = sql(`${shadow}.work`)
  const nonce = randomUUID()
  const found = findWork(sql, shadow)

  const begin = inTransaction(sql)(
    Effect.gen(function* () {
      // Dropping what a removal left drops its trigger on a live table.
      yield* limitLockWait(sql)
      yield* lockShadowSchema(sql, schema, "exclusive")
      const other = yield* found
      if (options.kind === "removal" && other?.isAlive === true) return yield* Effect.fail(options.busy(other.kind))
      yield* dropShadowSchema(sql, shadow)
      // A superuser or a member of the owner's role may begin this too. If that process is killed, the owner must be able to
      // drop the schema.
      const [live] = yield* sql<{ readonly owner: string }>`
        SELECT pg_catalog.quote_ident(pg_get_userbyid(relowner)) AS owner
        FROM pg_class WHERE oid = ${`${schema}.rebuild_lock`}::regclass`
      const liveOwner = sql.literal(live?.owner ?? "CURRENT_USER")
      yield* sql`CREATE SCHEMA ${sql(shadow)} AUTHORIZATION ${liveOwner}`
      yield* options.createTables(shadow)
      yield* sql`CREATE TABLE ${workTable} AS
        SELECT ${nonce}::text AS nonce, ${options.kind}::text AS kind, clock_timestamp() AS touched_at`
      yield* sql`ALTER TABLE ${workTable} OWNER TO ${liveOwner}`
      yield* options.check(shadow)
    })
  )
  yield* retryOnLockConflict(begin, {
    timeout: options.timeout,
    longestDelay: retryDelay.longest,
    onTimeout: (waitedSeconds) => Effect.fail(options.blocked(waitedSeconds))
  })

  const step = <A, E5>(effect: Effect.Effect<A, E5>): Effect.Effect<A, E5 | E2 | SqlError.SqlError> =>
    inTransaction(sql)(
      Effect.gen(function* () {
        yield* lockShadowSchema(sql, schema, "shared")
        const work = yield* found
        if (work?.nonce !== nonce) return yield* Effect.fail(options.superseded())
        yield* sql`UPDATE ${workTable} SET touched_at = clock_timestamp()`
        return yield* effect
      })
    )
  const drop = inTransaction(sql)(
    Effect.gen(function* () {
      yield* limitLockWait(sql)
      yield* lockShadowSchema(sql, schema, "exclusive")
      const work = yield* found
      // A redaction may have found this work ended or too slow. Other work would have replaced the schema.
      if (work?.nonce === nonce || work?.nonce === abandonedNonce) yield* dropShadowSchema(sql, shadow)
    })
  )
  /**
   * Marks this work as ended and drops its copies of text, then drops the schema if the locks can be taken within 5 seconds.
   * Otherwise the next work drops it.
   */
  const end = Effect.gen(function* () {
    yield* Effect.ignore(
      step(Effect.andThen(sql`UPDATE ${workTable} SET touched_at = '-infinity'`, dropCopies(sql, shadow)))
    )
    // After a swap these are the former live tables, which other transactions may still use.
    yield* Effect.ignore(
      retryOnLockConflict(drop, {
        timeout: endTimeout,
        longestDelay: retryDelay.longest,
        onTimeout: (waitedSeconds) => Effect.fail(options.blocked(waitedSeconds))
      })
    )
  }).pipe(Effect.provideService(AnswerTimeout, endTimeout))
  return { shadow, step, end }
})

/** The work that is under way, or was when its process was killed. */
const findWork = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, shadow: string) {
  const [row] = yield* sql<{ readonly exists: boolean }>`
    SELECT pg_catalog.to_regclass(${`${shadow}.work`}) IS NOT NULL AS exists`
  if (row?.exists !== true) return undefined
  const [work] = yield* sql<{ readonly nonce: string; readonly kind: Kind; readonly isAlive: boolean }>`
    SELECT nonce, kind, touched_at > clock_timestamp() - make_interval(secs => ${aliveSeconds}::float8) AS "isAlive"
    FROM ${sql(`${shadow}.work`)}`
  return work
})

/** Drops the shadow tables that can hold erasable text. Needs no lock on a live table. */
const dropCopies = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, shadow: string) {
  const copies = yield* sql<{ readonly name: string }>`
    SELECT pg_catalog.format('%I.%I', nspname, relname) AS name
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = ${shadow} AND relkind = 'r' AND relname IN ${sql.in(erasableTables)}`
  if (copies.length > 0) yield* sql.unsafe(`DROP TABLE ${copies.map(({ name }) => name).join(", ")}`)
})

/**
 * Drops the copies of text that a killed process left in the shadow tables, in the transaction of a redaction, which has
 * locked the shadow schema. If that process was only slow, its next step fails. Copies of work that is under way stay: a
 * removal copies the changed rows again, or drops its copies when it fails.
 */
export const dropAbandonedCopies = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, schema: string) {
  const shadow = yield* shadowSchema(sql, schema)
  const work = yield* findWork(sql, shadow)
  if (work === undefined || work.isAlive) return
  yield* sql`UPDATE ${sql(`${shadow}.work`)} SET nonce = ${abandonedNonce}`
  yield* dropCopies(sql, shadow)
})

/** Drops the shadow schema with everything in it, in the caller's transaction. */
const dropShadowSchema = (sql: SqlClient.SqlClient, shadow: string) => sql`DROP SCHEMA IF EXISTS ${sql(shadow)} CASCADE`

/** Milliseconds as seconds, to a tenth. */
export const toSeconds = (millis: number): number => Math.round(millis / 100) / 10
