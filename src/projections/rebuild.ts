import { Clock, Data, type DateTime, Duration, Effect, Schema } from "effect"
import type { SqlClient } from "effect/sql"
import { SqlError } from "effect/sql"
import { randomUUID } from "node:crypto"
import type { CardId } from "../domain/CardId.ts"
import type { EventLog } from "../events/EventLog.ts"
import { makeBuildReadModel } from "./buildReadModel.ts"
import { makeCardTables } from "./CardTables.ts"

/** How far a rebuild is: events of the log while it builds and catches up. */
export interface RebuildProgress {
  readonly phase: "preparing" | "building" | "counting" | "catching up" | "swapping" | "swapped" | "verifying"
  readonly done: number
  readonly total: number
}

/** What a rebuild needs of what is around it. */
export interface RebuildContext {
  readonly sql: SqlClient.SqlClient
  readonly log: EventLog["Service"]
  readonly schema: string
  readonly now: Effect.Effect<DateTime.Utc, SqlError.SqlError>
  /** Makes a backlog's empty tables in an empty schema. */
  readonly createTables: (schema: string) => Effect.Effect<void, SqlError.SqlError>
  readonly onProgress: (progress: RebuildProgress) => Effect.Effect<void>
  /** How long to try to get hold of the tables for the swap. */
  readonly swapTimeout: Duration.Duration
}

/** What a rebuild did. */
export interface Rebuilt {
  /** The position that the read model was swapped at. */
  readonly position: number
  readonly cards: number
  /** How often it caught up with what was written meanwhile, before the swap. */
  readonly rounds: number
  /** How long the swap kept commands waiting, in milliseconds. */
  readonly swapMillis: number
}

/** Somebody else began a rebuild of the same backlog: that one goes on. Nothing was changed. */
export class RebuildSuperseded extends Schema.TaggedError<RebuildSuperseded>()("RebuildSuperseded", {
  schema: Schema.String
}) {
  override get message(): string {
    return `The rebuild of ${JSON.stringify(this.schema)} was superseded by another that began later. Nothing was changed.`
  }
}

/** Other transactions kept the read model's tables for too long, so the new ones were not swapped in. Nothing was changed. */
export class RebuildBlocked extends Schema.TaggedError<RebuildBlocked>()("RebuildBlocked", {
  schema: Schema.String,
  waitedSeconds: Schema.Finite
}) {
  override get message(): string {
    return (
      `The rebuilt tables of ${JSON.stringify(this.schema)} could not be swapped in for ${this.waitedSeconds} seconds, ` +
      "because other transactions kept the old ones. Nothing was changed. End long transactions, then rebuild again."
    )
  }
}

/** More was written than the swap itself may take in: it is to be tried again after catching up. */
class TooFarBehind extends Data.TaggedError("TooFarBehind") {}

/** Events that the swap itself may still have to take in. */
const eventsLeftForSwap = 200

/** How long one try of the swap may keep commands waiting for its locks. */
const lockTimeout = "300ms"

const cardsAtOnce = 500

/**
 * Builds the read model from the log in a schema beside the backlog's, catches up with what is written meanwhile, and
 * swaps the tables in one transaction that holds them and the head. Every step is a transaction of its own, and the
 * live tables are not touched before the swap: ended at any point, it leaves the backlog as it was, and at most the
 * schema beside it, which the next rebuild removes. Commands go on all the while, and wait during the swap only.
 */
export const rebuild = Effect.fnUntraced(function* (context: RebuildContext) {
  const { log, onProgress, schema, sql } = context
  const [row] = yield* sql<{ readonly oid: string }>`SELECT ${schema}::regnamespace::oid::text AS oid`
  const beside = `mosaic_rebuild_${row?.oid ?? schema}`
  const nonce = randomUUID()
  const owner = sql(`${beside}.rebuild`)
  const tables = makeCardTables(sql, beside)
  const build = makeBuildReadModel(sql, log, tables)

  yield* onProgress({ phase: "preparing", done: 0, total: 0 })
  yield* sql.withTransaction(
    Effect.gen(function* () {
      yield* dropSchema(sql, beside)
      yield* sql`CREATE SCHEMA ${sql(beside)}`
      yield* context.createTables(beside)
      yield* sql`CREATE TABLE ${owner} AS SELECT ${nonce}::text AS nonce`
    })
  )

  /** A step of this rebuild, unless a later one has taken its place. */
  const step = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E | RebuildSuperseded | SqlError.SqlError> =>
    sql.withTransaction(
      Effect.gen(function* () {
        const [found] = yield* sql<{ readonly exists: boolean }>`
          SELECT to_regclass(${`${beside}.rebuild`}) IS NOT NULL AS exists`
        const owners =
          found?.exists === true ? yield* sql<{ readonly nonce: string }>`SELECT nonce FROM ${owner} FOR SHARE` : []
        if (owners[0]?.nonce !== nonce) return yield* new RebuildSuperseded({ schema })
        return yield* effect
      })
    )

  const changedCards = (after: number, upTo: number) =>
    Effect.map(
      sql<{ readonly id: CardId }>`
        SELECT DISTINCT card_id AS id FROM ${sql(`${schema}.events`)}
        WHERE position > ${BigInt(after)}::int8 AND position <= ${BigInt(upTo)}::int8`,
      (rows) => rows.map(({ id }) => id)
    )

  const steps = Effect.gen(function* () {
    let position = (yield* log.head("read")).position
    const total = position
    let cards = 0
    let done = 0
    yield* onProgress({ phase: "building", done, total })
    yield* build.insert(position, yield* context.now, (insertion, folded) =>
      Effect.gen(function* () {
        yield* step(insertion)
        cards += folded.length
        for (const { card } of folded) done += card.version
        yield* onProgress({ phase: "building", done: Math.min(done, total), total })
      })
    )
    yield* onProgress({ phase: "counting", done: total, total })
    yield* step(build.count)
    yield* step(sql`ANALYZE ${tables.cards}, ${tables.dependencies}`)

    let rounds = 0
    const catchUp = Effect.gen(function* () {
      const head = (yield* log.head("read")).position
      if (head === position) return
      rounds++
      yield* onProgress({ phase: "catching up", done: position, total: head })
      const ids = yield* changedCards(position, head)
      for (let start = 0; start < ids.length; start += cardsAtOnce) {
        const now = yield* context.now
        yield* step(build.replace(ids.slice(start, start + cardsAtOnce), head, now))
      }
      position = head
    })

    const swap = Effect.gen(function* () {
      yield* sql`SELECT set_config('lock_timeout', ${lockTimeout}, true)`
      const live = makeCardTables(sql, schema)
      // The tables before the head, as every command does: none that holds one of them waits for this.
      yield* sql`LOCK TABLE ${live.cards}, ${live.dependencies} IN ACCESS EXCLUSIVE MODE`
      const head = (yield* log.head("lock")).position
      if (head - position > eventsLeftForSwap) return yield* new TooFarBehind()
      yield* build.replace(yield* changedCards(position, head), head, yield* context.now)
      yield* swapTables(sql, schema, beside)
      yield* onProgress({ phase: "swapping", done: head, total: head })
      return head
    })

    const began = yield* Clock.currentTimeMillis
    while (true) {
      yield* catchUp
      yield* onProgress({ phase: "swapping", done: position, total: position })
      const asked = yield* Clock.currentTimeMillis
      const swappedAt = yield* Effect.catchIf(step(swap), isWorthAnotherTry, () => Effect.void)
      const now = yield* Clock.currentTimeMillis
      if (swappedAt !== undefined) {
        yield* onProgress({ phase: "swapped", done: swappedAt, total: swappedAt })
        return { position: swappedAt, cards, rounds, swapMillis: now - asked } satisfies Rebuilt
      }
      if (now - began >= Duration.toMillis(context.swapTimeout)) {
        return yield* new RebuildBlocked({ schema, waitedSeconds: Math.round((now - began) / 100) / 10 })
      }
      yield* Effect.sleep("100 millis")
    }
  })

  return yield* Effect.ensuring(
    steps,
    // What is left behind harms nobody, and the next rebuild removes it.
    Effect.ignore(step(dropSchema(sql, beside)))
  )
})

const isWorthAnotherTry = (error: unknown): error is TooFarBehind | SqlError.SqlError =>
  error instanceof TooFarBehind || (SqlError.isSqlError(error) && error.reason._tag === "LockTimeoutError")

const dropSchema = (sql: SqlClient.SqlClient, schema: string) => sql`DROP SCHEMA IF EXISTS ${sql(schema)} CASCADE`

/** Puts the tables beside in the place of the live ones, with the same owner and grants. */
const swapTables = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, schema: string, beside: string) {
  const statements = yield* sql<{ readonly statement: string }>`
    WITH live AS (
      SELECT relname, oid, relowner, relacl FROM pg_class
      WHERE relnamespace = ${schema}::regnamespace AND relname IN ('cards', 'dependencies'))
    SELECT format('ALTER TABLE %I.%I OWNER TO %I', ${beside}::text, live.relname, pg_get_userbyid(live.relowner)) AS statement
    FROM live JOIN pg_class AS new ON new.relname = live.relname AND new.relnamespace = ${beside}::regnamespace
    WHERE new.relowner <> live.relowner
    UNION ALL
    SELECT format('GRANT %s ON %I.%I TO %s%s', privilege_type, ${beside}::text, relname,
      CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
      CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
    FROM live, aclexplode(relacl) WHERE grantee <> relowner
    UNION ALL
    SELECT format('GRANT %s (%I) ON %I.%I TO %s%s', privilege_type, attname, ${beside}::text, relname,
      CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
      CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
    FROM live JOIN pg_attribute ON attrelid = live.oid, aclexplode(attacl) WHERE grantee <> relowner`
  for (const { statement } of statements) yield* sql.unsafe(statement)
  for (const table of ["cards", "dependencies"]) {
    yield* sql`DROP TABLE ${sql(`${schema}.${table}`)}`
    yield* sql`ALTER TABLE ${sql(`${beside}.${table}`)} SET SCHEMA ${sql(schema)}`
  }
})
