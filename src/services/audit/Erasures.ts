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

/** When a process removes erased bytes from the data files in the background. */
export interface RemovalTimes {
  /** The time from its start to the first check for pending redactions. Defaults to 5 seconds. */
  readonly first: Duration.Duration
  /** The time from a redaction of this process to the next check. Defaults to 1 second, so one rewrite covers several redactions. */
  readonly afterRedaction: Duration.Duration
  /** The time between two checks. Defaults to 1 minute. */
  readonly interval: Duration.Duration
  /** Maximum time between two checks: the time doubles with each failure. Defaults to 1 hour. */
  readonly longest: Duration.Duration
}

/** When this process removes erased bytes from the data files in the background. With `off` only `removeErased` removes them. */
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

/** More switches than an embedded database has files: it reserves 80 MB of them, and a checkpoint comes at 1 GB. */
const maxSwitches = 200

/**
 * Removes the files of an embedded database's write-ahead log that were written before this, and returns whether it removed all
 * of them. Reserved files are renamed old ones and have old content: the log switches through each of them, which overwrites
 * it. Then a checkpoint removes them all.
 */
const recycleWal = (sql: SqlClient.SqlClient): Effect.Effect<boolean, SqlError.SqlError> =>
  Effect.gen(function* () {
    yield* sql`SELECT set_config('wal_recycle', 'off', true)`
    let isPast = false
    for (let switches = 0; switches < maxSwitches && !isPast; switches++) {
      const [ahead] = yield* sql<{ readonly files: number }>`
        SELECT count(*)::int4 AS files FROM pg_ls_waldir()
        WHERE name ~ '^[0-9A-F]{24}$' AND name > pg_walfile_name(pg_current_wal_lsn())`
      // Postgres does not switch from a file without a record.
      yield* sql`SELECT pg_logical_emit_message(false, 'mosaic_backlog', '')::text, pg_switch_wal()::text`
      isPast = ahead?.files === 0
    }
    yield* sql`CHECKPOINT`
    return isPast
  }).pipe(inTransaction(sql))

/** A redaction that erased something, and whether its bytes are still in the data files. */
export const Erasure = Schema.Struct({
  /** The position of its `CardRedacted` event. */
  position: Position,
  cardId: CardId,
  /**
   * `erased from reads`: no read returns the text, and old row versions or the free space of pages may still have its bytes.
   * `removed from pages`: the data files no longer have them.
   */
  state: Schema.Literals(["erased from reads", "removed from pages"]),
  erasedAt: Schema.DateTimeUtcFromString,
  removedAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  /** The time of the last attempt to remove the bytes that did not complete; `null` if there was none. */
  triedAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  /** Why that attempt did not complete. */
  problem: Schema.NullOr(Schema.String)
})

/** A redaction that erased something, and whether its bytes are still in the data files. */
export interface Erasure extends Schema.Schema.Type<typeof Erasure> {}

const ErasureRow = Schema.Struct({
  ...Erasure.fields,
  erasedAt: Schema.DateTimeUtcFromDate,
  removedAt: Schema.NullOr(Schema.DateTimeUtcFromDate),
  triedAt: Schema.NullOr(Schema.DateTimeUtcFromDate)
})
const decodeRows = Schema.decodeUnknownSync(Schema.Array(ErasureRow))

/** The result of a removal. */
export const RemovalReport = Schema.Struct({
  /** The number of redactions whose bytes it removed from the data files. */
  removed: Schema.Int
})

/** The result of a removal. */
export interface RemovalReport extends Schema.Schema.Type<typeof RemovalReport> {}

/** Options of a removal. */
export interface RemovalOptions {
  /** Runs with the progress of the removal. Defaults to nothing. */
  readonly onProgress?: ((progress: RemovalProgress) => Effect.Effect<void>) | undefined
  /** Maximum time to try to take the locks of a table. Defaults to 1 minute. */
  readonly swapTimeout?: Duration.Input | undefined
}

/** Maximum number of rewrites in one removal. Redactions that commit during a rewrite need the next one. */
const maxRounds = 10

const defaultSwapTimeout = Duration.minutes(1)

/** The time between two checks whether another process has completed. */
const busyDelay = "500 millis"

const otherWork = {
  rebuild: "a rebuild of the read model is running, or was killed a moment ago. Try again when it has ended.",
  removal: "another process is rewriting the tables, or was killed a moment ago. Try again when it has ended."
} as const

/** The durable list of redactions whose bytes must be removed from the data files, and their removal (decision 38). */
export class Erasures extends Context.Service<
  Erasures,
  {
    /** Adds a redaction to the list, in the caller's transaction, which has appended its event at `position`. */
    readonly record: (position: number, cardId: CardId) => Effect.Effect<void, SqlError.SqlError>
    /** The redactions in the order of positions: all, or only those that are pending. */
    readonly list: (options?: {
      readonly pending?: boolean | undefined
    }) => Effect.Effect<ReadonlyArray<Erasure>, SqlError.SqlError>
    /** Whether a card has a redaction whose bytes are still in the data files. */
    readonly isPending: (cardId: CardId) => Effect.Effect<boolean, SqlError.SqlError>
    /** The number of pending redactions. */
    readonly pending: Effect.Effect<number, SqlError.SqlError>
    /**
     * Rewrites the tables until no redaction is pending. Does nothing if none is. Must not be part of a transaction. Records
     * a failure with the redactions.
     */
    readonly remove: (options?: RemovalOptions) => Effect.Effect<RemovalReport, RemovalPending | SqlError.SqlError>
    /** Makes the background removal begin soon, after a redaction of this process. */
    readonly requestRemoval: Effect.Effect<void>
    /**
     * Removes pending bytes at the times of `RemovalSchedule`, until the scope ends. Ends at once if this role may not rewrite
     * the tables.
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
      const requests = yield* Queue.sliding<void>(1)

      const pendingPositions = Effect.map(
        sql<{ readonly position: string }>`
          SELECT position::text AS position FROM ${erasures} WHERE removed_at IS NULL ORDER BY erasures.position`,
        (rows) => rows.map(({ position }) => BigInt(position))
      )

      /** Why this role cannot rewrite the tables here; `undefined` if it can. */
      const findObstacle = Effect.map(
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

      const recordProblem = (problem: string) =>
        sql`UPDATE ${erasures} SET tried_at = clock_timestamp(), problem = ${problem} WHERE removed_at IS NULL`

      const removeOnce = Effect.fnUntraced(function* (options: RemovalOptions) {
        let covered: ReadonlyArray<bigint> = []
        yield* withoutAnswerTimeout(
          rewriteTables({
            sql,
            schema,
            createTables: (shadow) => createTables(sql, shadow),
            onProgress: options.onProgress ?? (() => Effect.void),
            swapTimeout: Duration.fromInputUnsafe(options.swapTimeout ?? defaultSwapTimeout),
            // The bytes of a redaction that commits later may be copied before it commits: they need another rewrite.
            onBegun: Effect.map(pendingPositions, (positions) => {
              covered = positions
            })
          })
        )
        if (isEmbedded && !(yield* withoutAnswerTimeout(recycleWal(sql)))) {
          return yield* new RemovalPending({
            schema,
            problem: "old files of the write-ahead log could not be removed. Run `backlog doctor --fix` again."
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
        for (let round = 0; round < maxRounds; round++) {
          if ((yield* pendingPositions).length === 0) break
          const problem = yield* findObstacle
          if (problem !== undefined) return yield* new RemovalPending({ schema, problem })
          removed += yield* removeOnce(options).pipe(
            Effect.catchTag("RemovalBusy", ({ kind }) =>
              Effect.gen(function* () {
                if ((yield* Clock.currentTimeMillis) >= until) {
                  return yield* new RemovalPending({ schema, problem: otherWork[kind] })
                }
                // Redactions that the other removal completes need no rewrite of this one.
                round--
                yield* Effect.sleep(busyDelay)
                return 0
              })
            ),
            Effect.tapError((error) =>
              isUnderWay(error)
                ? Effect.void
                : Effect.ignore(recordProblem(error._tag === "RemovalPending" ? error.problem : describeFailure(error)))
            )
          )
        }
        return { removed } satisfies RemovalReport
      })

      const removeInBackground = Effect.gen(function* () {
        if (schedule === "off") return
        yield* Effect.sleep(schedule.first)
        const longest = Duration.toMillis(schedule.longest)
        let delay = Duration.toMillis(schedule.interval)
        for (;;) {
          const result = yield* Effect.result(
            Effect.gen(function* () {
              if ((yield* pendingPositions).length === 0) return "nothing" as const
              const problem = yield* findObstacle
              if (problem !== undefined) return "not here" as const
              yield* remove()
              return "removed" as const
            }).pipe(
              // A defect must not silently end the removals of this process.
              Effect.catchDefect(
                () => new RemovalPending({ schema, problem: "the program failed. It is tried again." })
              )
            )
          )
          if (result._tag === "Success") {
            // A replica may be promoted, and a role may get more privileges: the next start checks again.
            if (result.success === "not here") return
            delay = Duration.toMillis(schedule.interval)
          } else {
            const { failure } = result
            if (!isUnderWay(failure)) {
              yield* Effect.logWarning(
                failure._tag === "RemovalPending"
                  ? failure.message
                  : `Erased bytes are still in the data files of ${JSON.stringify(schema)}: ${describeFailure(failure)}`
              )
            }
            delay = Math.min(delay * 2, longest)
          }
          const isRequested = yield* Effect.timeoutOption(Queue.take(requests), delay)
          if (Option.isSome(isRequested)) yield* Effect.sleep(schedule.afterRedaction)
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
        requestRemoval: Effect.asVoid(Queue.offer(requests, undefined)),
        removeInBackground
      })
    })
  )
}

/** Whether another process is removing the bytes, which is not a failure. */
const isUnderWay = (error: RemovalPending | SqlError.SqlError): boolean =>
  error._tag === "RemovalPending" && error.problem === otherWork.removal

/** The text of a database failure, without its message, which may contain values. */
const describeFailure = (error: SqlError.SqlError): string =>
  `the database failed (${error.reason._tag}). It is tried again.`
