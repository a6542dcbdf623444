import { Clock, Context, Duration, Effect, Layer, Option, Queue, Schema, type Scope } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { CardId } from "../../domain/CardId.ts"
import { Position } from "../../events/RecordedEvent.ts"
import { RemovalPending, type RemovalProgress, rewriteTables } from "../../projections/rewriteTables.ts"
import { isEmbeddedDatabase } from "../hasOneSession.ts"
import { createTables } from "../schema/Migrations.ts"
import { withoutAnswerTimeout } from "../../sql/AnswerTimeout.ts"
import { BacklogSchema } from "../../sql/SchemaName.ts"
import { arrayLiteral } from "../../sql/arrayLiteral.ts"
import { inTransaction } from "../../sql/inTransaction.ts"

/** When a process removes erased bytes from the data files by itself. */
export interface RemovalTimes {
  /** How long after its start a process checks for the first time whether something is pending. Defaults to 5 seconds. */
  readonly first: Duration.Duration
  /** How long after a redaction of its own. Defaults to 1 second, so that one rewrite is for several redactions. */
  readonly afterRedaction: Duration.Duration
  /** The time between checks, and the first after a try that failed. Defaults to 1 minute. */
  readonly interval: Duration.Duration
  /** The time between tries is doubled with each failure, up to this. Defaults to 1 hour. */
  readonly longest: Duration.Duration
}

/** When this process removes erased bytes from the data files by itself; with `off` only `removeErased` does. */
export const RemovalSchedule: Context.Reference<RemovalTimes | "off"> = Context.Reference<RemovalTimes | "off">(
  "mosaic-backlog/services/RemovalSchedule",
  {
    defaultValue: () => ({
      first: Duration.seconds(5),
      afterRedaction: Duration.seconds(1),
      interval: Duration.minutes(1),
      longest: Duration.hours(1)
    })
  }
)

/** More switches than an embedded database has files: 80 MB of them are kept ahead, and a checkpoint comes at 1 GB. */
const mostSwitches = 200

/**
 * Returns whether it removed every file of an embedded database's write-ahead log that was written before this. Files that are kept ahead
 * for later were renamed and have old content: the log moves through each, which overwrites it to its end. Then a
 * checkpoint removes them all, and keeps none.
 */
const recycleWal = (sql: SqlClient.SqlClient): Effect.Effect<boolean, SqlError.SqlError> =>
  Effect.gen(function* () {
    yield* sql`SELECT set_config('wal_recycle', 'off', true)`
    let isPast = false
    for (let switches = 0; switches < mostSwitches && !isPast; switches++) {
      const [ahead] = yield* sql<{ readonly files: number }>`
        SELECT count(*)::int4 AS files FROM pg_ls_waldir()
        WHERE name ~ '^[0-9A-F]{24}$' AND name > pg_walfile_name(pg_current_wal_lsn())`
      // A file without a record in it is not switched.
      yield* sql`SELECT pg_logical_emit_message(false, 'mosaic_backlog', '')::text, pg_switch_wal()::text`
      isPast = ahead?.files === 0
    }
    yield* sql`CHECKPOINT`
    return isPast
  }).pipe(inTransaction(sql))

/** One redaction that erased something, and where its bytes still are. */
export const Erasure = Schema.Struct({
  /** The position of its `CardRedacted` event. */
  position: Position,
  cardId: CardId,
  /**
   * `erased from reads`: no read returns it, and old row versions or the free space of pages may still have its bytes.
   * `removed from pages`: the data files do not have them any more.
   */
  state: Schema.Literals(["erased from reads", "removed from pages"]),
  erasedAt: Schema.DateTimeUtcFromString,
  removedAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  /** When a process last tried to remove the bytes without completing it; `null` where none did. */
  triedAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  /** Why that try did not complete. */
  problem: Schema.NullOr(Schema.String)
})

/** One redaction that erased something, and where its bytes still are. */
export interface Erasure extends Schema.Schema.Type<typeof Erasure> {}

const ErasureRow = Schema.Struct({
  ...Erasure.fields,
  erasedAt: Schema.DateTimeUtcFromDate,
  removedAt: Schema.NullOr(Schema.DateTimeUtcFromDate),
  triedAt: Schema.NullOr(Schema.DateTimeUtcFromDate)
})
const decodeRows = Schema.decodeUnknownSync(Schema.Array(ErasureRow))

/** What a removal did. */
export const RemovalReport = Schema.Struct({
  /** Redactions whose bytes it removed from the data files. */
  removed: Schema.Int
})

/** What a removal did. */
export interface RemovalReport extends Schema.Schema.Type<typeof RemovalReport> {}

/** How to remove erased bytes. */
export interface RemovalOptions {
  readonly onProgress?: ((progress: RemovalProgress) => Effect.Effect<void>) | undefined
  /** How long to try to take the locks of a table. Defaults to 1 minute. */
  readonly swapTimeout?: Duration.Input | undefined
}

/** Maximum number of rewrites in one removal: redactions that commit during one are left to the next. */
const mostRounds = 10

const defaultSwapTimeout = Duration.minutes(1)

/** How long to wait before it is checked again whether another process has completed. */
const busyPause = "500 millis"

const otherWork = {
  rebuild: "a rebuild of the read model is running, or was killed a moment ago. Try again when it has ended.",
  removal: "another process is rewriting the tables, or was killed a moment ago. Try again when it has ended."
} as const

/** The durable list of redactions whose bytes have to be removed from the data files, and their removal. */
export class Erasures extends Context.Service<
  Erasures,
  {
    /** Puts a redaction in the list, in the caller's transaction, which has appended its event at `position`. */
    readonly record: (position: number, cardId: CardId) => Effect.Effect<void, SqlError.SqlError>
    /** The redactions in the order of positions: all, or those that are pending. */
    readonly list: (options?: {
      readonly pending?: boolean | undefined
    }) => Effect.Effect<ReadonlyArray<Erasure>, SqlError.SqlError>
    /** Whether a card has a redaction whose bytes are still in the data files. */
    readonly isPending: (cardId: CardId) => Effect.Effect<boolean, SqlError.SqlError>
    /** How many redactions are pending. */
    readonly pending: Effect.Effect<number, SqlError.SqlError>
    /**
     * Rewrites the tables until no redaction is pending. Does nothing where none is. Must not be part of a transaction. A
     * failure is kept with the redactions.
     */
    readonly remove: (options?: RemovalOptions) => Effect.Effect<RemovalReport, RemovalPending | SqlError.SqlError>
    /** Lets the background removal begin soon, after a redaction of this process. */
    readonly requestRemoval: Effect.Effect<void>
    /**
     * Removes what is pending when `RemovalSchedule` says so, until the scope ends. Ends at once where this role may not
     * rewrite the tables.
     */
    readonly removeInBackground: Effect.Effect<void, never, Scope.Scope>
  }
>()("mosaic-backlog/services/Erasures") {
  static readonly layer: Layer.Layer<Erasures, never, SqlClient.SqlClient> = Layer.effect(
    Erasures,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const schema = yield* BacklogSchema
      const schedule = yield* RemovalSchedule
      const isEmbedded = yield* isEmbeddedDatabase
      const erasures = sql(`${schema}.erasures`)
      const woken = yield* Queue.sliding<void>(1)

      const pendingPositions = Effect.map(
        sql<{ readonly position: string }>`
          SELECT position::text AS position FROM ${erasures} WHERE removed_at IS NULL ORDER BY erasures.position`,
        (rows) => rows.map(({ position }) => BigInt(position))
      )

      /** Whether this role may rewrite the tables here, and the words if not. */
      const obstacle = Effect.map(
        sql<{ readonly may: boolean; readonly isReplica: boolean; readonly role: string; readonly owner: string }>`
          SELECT pg_has_role(relowner, 'USAGE') AND has_database_privilege(current_database(), 'CREATE') AS may,
            pg_is_in_recovery() AS "isReplica", current_user::text AS role, pg_get_userbyid(relowner)::text AS owner
          FROM pg_class WHERE relnamespace = ${schema}::regnamespace AND relname = 'erasures'`,
        ([found]) =>
          found === undefined || found.isReplica
            ? "this server is a read-only replica: run `backlog doctor --fix` on its primary server."
            : found.may
              ? undefined
              : `the role ${JSON.stringify(found.role)} may not rewrite the tables: run \`backlog doctor --fix\` as their owner ${JSON.stringify(found.owner)}.`
      )

      const keepProblem = (problem: string) =>
        sql`UPDATE ${erasures} SET tried_at = clock_timestamp(), problem = ${problem} WHERE removed_at IS NULL`

      const removeOnce = Effect.fnUntraced(function* (options: RemovalOptions) {
        let covered: ReadonlyArray<bigint> = []
        yield* withoutAnswerTimeout(
          rewriteTables({
            sql,
            schema,
            createTables: (beside) => createTables(sql, beside),
            onProgress: options.onProgress ?? (() => Effect.void),
            swapTimeout: Duration.fromInputUnsafe(options.swapTimeout ?? defaultSwapTimeout),
            // Bytes of a redaction that commits later may be copied before that: the next rewrite is for those.
            onBegun: Effect.map(pendingPositions, (positions) => {
              covered = positions
            })
          })
        )
        if (isEmbedded && !(yield* withoutAnswerTimeout(recycleWal(sql)))) {
          return yield* new RemovalPending({
            schema,
            problem: "files of the write-ahead log from before could not be removed. Run `backlog doctor --fix` again."
          })
        }
        yield* sql`
          UPDATE ${erasures} SET removed_at = clock_timestamp(), problem = NULL
          WHERE position = ANY(${arrayLiteral(covered)}::int8[]) AND removed_at IS NULL`
        return covered.length
      })

      const remove = Effect.fnUntraced(function* (options: RemovalOptions = {}) {
        let removed = 0
        const timeout = Duration.fromInputUnsafe(options.swapTimeout ?? defaultSwapTimeout)
        const until = (yield* Clock.currentTimeMillis) + Duration.toMillis(timeout)
        for (let round = 0; round < mostRounds; round++) {
          if ((yield* pendingPositions).length === 0) break
          const problem = yield* obstacle
          if (problem !== undefined) return yield* new RemovalPending({ schema, problem })
          removed += yield* removeOnce(options).pipe(
            Effect.catchTag("RemovalBusy", ({ kind }) =>
              Effect.gen(function* () {
                if ((yield* Clock.currentTimeMillis) >= until) {
                  return yield* new RemovalPending({ schema, problem: otherWork[kind] })
                }
                // What the other completes is not rewritten once more.
                round--
                yield* Effect.sleep(busyPause)
                return 0
              })
            ),
            Effect.tapError((error) =>
              isUnderWay(error)
                ? Effect.void
                : Effect.ignore(keepProblem(error._tag === "RemovalPending" ? error.problem : wordsOf(error)))
            )
          )
        }
        return { removed } satisfies RemovalReport
      })

      const removeInBackground = Effect.gen(function* () {
        if (schedule === "off") return
        yield* Effect.sleep(schedule.first)
        const longest = Duration.toMillis(schedule.longest)
        let rest = Duration.toMillis(schedule.interval)
        for (;;) {
          const result = yield* Effect.result(
            Effect.gen(function* () {
              if ((yield* pendingPositions).length === 0) return "nothing" as const
              const problem = yield* obstacle
              if (problem !== undefined) return "not here" as const
              yield* remove()
              return "removed" as const
            }).pipe(
              // A defect must not end the removals of this process silently.
              Effect.catchDefect(
                () => new RemovalPending({ schema, problem: "the program failed. It is tried again." })
              )
            )
          )
          if (result._tag === "Success") {
            // A replica may become the primary server, and a role may be granted more: the next start checks again.
            if (result.success === "not here") return
            rest = Duration.toMillis(schedule.interval)
          } else {
            const { failure } = result
            if (!isUnderWay(failure)) {
              yield* Effect.logWarning(
                failure._tag === "RemovalPending"
                  ? failure.message
                  : `Erased bytes are still in the data files of ${JSON.stringify(schema)}: ${wordsOf(failure)}`
              )
            }
            rest = Math.min(rest * 2, longest)
          }
          const isWoken = yield* Effect.timeoutOption(Queue.take(woken), rest)
          if (Option.isSome(isWoken)) yield* Effect.sleep(schedule.afterRedaction)
        }
      })

      return Erasures.of({
        record: (position, cardId) =>
          Effect.asVoid(sql`
            INSERT INTO ${erasures} (position, card_id, erased_at)
            VALUES (${BigInt(position)}::int8, ${cardId}, clock_timestamp())`),
        list: (options = {}) =>
          Effect.map(
            sql`
              SELECT position::float8 AS position, card_id AS "cardId", erased_at AS "erasedAt", removed_at AS "removedAt",
                CASE WHEN removed_at IS NULL THEN 'erased from reads' ELSE 'removed from pages' END AS state,
                tried_at AS "triedAt", problem
              FROM ${erasures} WHERE ${options.pending === true ? sql`removed_at IS NULL` : sql`true`}
              ORDER BY erasures.position`,
            decodeRows
          ),
        isPending: (cardId) =>
          Effect.map(
            sql<{ readonly found: boolean }>`
              SELECT EXISTS (SELECT FROM ${erasures} WHERE removed_at IS NULL AND card_id = ${cardId}) AS found`,
            (rows) => rows[0]?.found === true
          ),
        pending: Effect.map(pendingPositions, ({ length }) => length),
        remove,
        requestRemoval: Effect.asVoid(Queue.offer(woken, undefined)),
        removeInBackground
      })
    })
  )
}

/** Whether another process is removing the bytes, which needs no attention. */
const isUnderWay = (error: RemovalPending | SqlError.SqlError): boolean =>
  error._tag === "RemovalPending" && error.problem === otherWork.removal

/** A database failure without the values that its own words may repeat. */
const wordsOf = (error: SqlError.SqlError): string => `the database failed (${error.reason._tag}). It is tried again.`
