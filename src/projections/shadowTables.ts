import { Clock, Duration, Effect } from "effect"
import { type SqlClient, SqlError } from "effect/sql"
import { randomUUID } from "node:crypto"
import type { CardId } from "../domain/CardId.ts"
import { erasableTables } from "./erasableColumns.ts"
import { AnswerTimeout } from "../sql/AnswerTimeout.ts"
import { enableArrayNulls } from "../sql/arrayLiteral.ts"
import { inTransaction } from "../sql/inTransaction.ts"

/** The schema in which a rebuild makes its tables. */
const shadowSchema = (sql: SqlClient.SqlClient, schema: string) =>
  Effect.map(
    sql<{ readonly name: string }>`SELECT 'mosaic_rebuild_' || ${schema}::regnamespace::oid::text AS name`,
    (rows) => rows[0]?.name ?? "mosaic_rebuild"
  )

/**
 * Locks it until the caller's transaction ends, before any other lock. Creating and dropping it takes the exclusive mode,
 * which waits for every transaction that uses it. Rows may then be written there.
 */
export const lockShadowSchema = (sql: SqlClient.SqlClient, schema: string, mode: "shared" | "exclusive") =>
  Effect.andThen(
    sql`LOCK TABLE ${sql(`${schema}.rebuild_lock`)} IN ${sql.literal(mode === "exclusive" ? "EXCLUSIVE" : "ROW EXCLUSIVE")} MODE`,
    sql`SELECT ${enableArrayNulls(sql)}`
  )

/**
 * Removes a card's row from the tables of a rebuild that is under way, which makes it anew when it catches up, or was
 * killed, in the caller's transaction, which has locked the schema beside. The old row's bytes stay in its file until a
 * removal.
 */
export const deleteShadowRow = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, schema: string, id: CardId) {
  const cards = `${yield* shadowSchema(sql, schema)}.cards`
  const [found] = yield* sql<{ readonly may: boolean | null }>`
    SELECT has_table_privilege(to_regclass(${cards}), 'DELETE') AS may`
  if (found?.may !== true) return
  yield* sql`DELETE FROM ${sql(cards)} WHERE id = ${id}`
})

/** What replaces tables of a backlog by way of the schema beside it. Only one does at a time. */
type Kind = "rebuild" | "removal"

/**
 * How long one try may keep commands waiting for its locks. Less than a server's `deadlock_timeout`, so that of two who
 * wait for each other this one gives way.
 */
const lockTimeout = "300ms"

/** The server ends a transaction whose program is gone, or does something else, and commands continue. */
const idleTimeout = "10s"

/** Makes the rest of the transaction fail rather than keep commands waiting. */
export const limitLockWait = (sql: SqlClient.SqlClient) => sql`
  SELECT pg_catalog.set_config('lock_timeout', ${lockTimeout}, true),
    pg_catalog.set_config('idle_in_transaction_session_timeout', ${idleTimeout}, true)`

/** Seconds after its last step at which other work counts as ended. */
const aliveSeconds = 15

/** How long to let commands continue between two tries, at first and at most, in milliseconds. */
const pause = { first: 100, longest: 1_000 } as const

/**
 * Begins work in the schema beside, which is emptied of what earlier work left there. A rebuild replaces whatever is
 * under way. A removal does not replace a rebuild, or another removal, whose last step was less than 15 seconds ago: then
 * it fails with what `busy` makes.
 */
export const createShadowTables = Effect.fnUntraced(function* <E, E2, E3, E4>(options: {
  readonly sql: SqlClient.SqlClient
  readonly schema: string
  readonly kind: Kind
  /** Creates a backlog's empty tables in an empty schema. */
  readonly createTables: (schema: string) => Effect.Effect<void, SqlError.SqlError>
  /** Checked in the transaction that creates the schema. */
  readonly check: (beside: string) => Effect.Effect<void, E | SqlError.SqlError>
  readonly superseded: () => E2
  readonly busy: (kind: Kind) => E3
  /** How long to try to take the locks. */
  readonly timeout: Duration.Duration
  /** The error when the locks could not be taken in that time. */
  readonly blocked: (waitedSeconds: number) => E4
}) {
  const { schema, sql } = options
  const beside = yield* shadowSchema(sql, schema)
  const workTable = sql(`${beside}.work`)
  const nonce = randomUUID()
  const found = findWork(sql, beside)

  const begin = inTransaction(sql)(
    Effect.gen(function* () {
      // Dropping what a removal left takes its trigger off a live table.
      yield* limitLockWait(sql)
      yield* lockShadowSchema(sql, schema, "exclusive")
      const other = yield* found
      if (options.kind === "removal" && other?.isAlive === true) return yield* Effect.fail(options.busy(other.kind))
      yield* dropShadowSchema(sql, beside)
      // A superuser or a member of the owner may begin this too, and be killed: then the owner must be able to drop it.
      const [live] = yield* sql<{ readonly owner: string }>`
        SELECT pg_catalog.quote_ident(pg_get_userbyid(relowner)) AS owner
        FROM pg_class WHERE oid = ${`${schema}.rebuild_lock`}::regclass`
      const liveOwner = sql.literal(live?.owner ?? "CURRENT_USER")
      yield* sql`CREATE SCHEMA ${sql(beside)} AUTHORIZATION ${liveOwner}`
      yield* options.createTables(beside)
      yield* sql`CREATE TABLE ${workTable} AS
        SELECT ${nonce}::text AS nonce, ${options.kind}::text AS kind, clock_timestamp() AS touched_at`
      yield* sql`ALTER TABLE ${workTable} OWNER TO ${liveOwner}`
      yield* options.check(beside)
    })
  )
  const began = yield* Clock.currentTimeMillis
  for (let rest: number = pause.first; ; rest = Math.min(rest * 2, pause.longest)) {
    const begun = yield* Effect.catchIf(Effect.as(begin, true), isLockConflict, () => Effect.succeed(false))
    if (begun) break
    const waited = (yield* Clock.currentTimeMillis) - began
    if (waited >= Duration.toMillis(options.timeout)) return yield* Effect.fail(options.blocked(toSeconds(waited)))
    yield* Effect.sleep(rest)
  }

  const step = <A, E5>(
    effect: Effect.Effect<A, E5>,
    mode: "shared" | "exclusive" = "shared"
  ): Effect.Effect<A, E5 | E2 | SqlError.SqlError> =>
    inTransaction(sql)(
      Effect.gen(function* () {
        yield* lockShadowSchema(sql, schema, mode)
        const work = yield* found
        if (work?.nonce !== nonce) return yield* Effect.fail(options.superseded())
        yield* sql`UPDATE ${workTable} SET touched_at = clock_timestamp()`
        return yield* effect
      })
    )
  /**
   * Marks this work as ended, drops its copies of text, and then the schema if the locks can be taken. Otherwise the next
   * work drops it.
   */
  const end = Effect.gen(function* () {
    yield* Effect.ignore(
      step(Effect.andThen(sql`UPDATE ${workTable} SET touched_at = '-infinity'`, dropCopies(sql, beside)))
    )
    yield* Effect.ignore(step(Effect.andThen(limitLockWait(sql), dropShadowSchema(sql, beside)), "exclusive"))
  }).pipe(Effect.provideService(AnswerTimeout, Duration.seconds(5)))
  return { beside, step, end }
})

/** The work that is under way in the schema beside, or was when its process was killed. */
const findWork = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, beside: string) {
  const [row] = yield* sql<{ readonly exists: boolean }>`
    SELECT pg_catalog.to_regclass(${`${beside}.work`}) IS NOT NULL AS exists`
  if (row?.exists !== true) return undefined
  const [work] = yield* sql<{ readonly nonce: string; readonly kind: Kind; readonly isAlive: boolean }>`
    SELECT nonce, kind, touched_at > clock_timestamp() - make_interval(secs => ${aliveSeconds}::float8) AS "isAlive"
    FROM ${sql(`${beside}.work`)}`
  return work
})

/** Drops the tables beside that can hold erasable text, which needs no lock on a live table. */
const dropCopies = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, beside: string) {
  const copies = yield* sql<{ readonly name: string }>`
    SELECT pg_catalog.format('%I.%I', nspname, relname) AS name
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = ${beside} AND relkind = 'r' AND relname IN ${sql.in(erasableTables)}`
  if (copies.length > 0) yield* sql.unsafe(`DROP TABLE ${copies.map(({ name }) => name).join(", ")}`)
})

/**
 * Drops the copies of text that work left beside whose process was killed, in the transaction of a redaction, which has
 * locked the schema beside. Should that work only have been slow, its next step ends it. Copies of work that is under way
 * are left: a removal copies the changed rows again, or drops its copies when it fails.
 */
export const dropAbandonedCopies = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, schema: string) {
  const beside = yield* shadowSchema(sql, schema)
  const work = yield* findWork(sql, beside)
  if (work === undefined || work.isAlive) return
  yield* sql`UPDATE ${sql(`${beside}.work`)} SET nonce = ''`
  yield* dropCopies(sql, beside)
})

/** Removes the schema beside with everything in it, in the caller's transaction. */
const dropShadowSchema = (sql: SqlClient.SqlClient, beside: string) => sql`DROP SCHEMA IF EXISTS ${sql(beside)} CASCADE`

/** Whether other transactions kept a lock for too long. */
export const isLockConflict = (error: unknown): error is SqlError.SqlError =>
  SqlError.isSqlError(error) && (error.reason._tag === "LockTimeoutError" || error.reason._tag === "DeadlockError")

/** Milliseconds as seconds, to a tenth. */
export const toSeconds = (millis: number): number => Math.round(millis / 100) / 10
