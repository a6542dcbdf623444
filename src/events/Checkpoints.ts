import { Context, Effect, Layer, Option, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { redactedText } from "../domain/Event.ts"
import { Name } from "../domain/Text.ts"
import { currentHead } from "./LogReader.ts"
import { type MomentNotReached, positionNotReached } from "./MomentNotReached.ts"
import { Position } from "./RecordedEvent.ts"
import { DatabaseClock, databaseNow } from "../sql/DatabaseClock.ts"
import { BacklogSchema } from "../sql/SchemaName.ts"
import { inTransaction } from "../sql/inTransaction.ts"

/** The position of a consumer of events. */
export const Checkpoint = Schema.Struct({
  consumer: Name,
  /** The position of the last handled event; 0 before the first. */
  position: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
  updatedAt: Schema.DateTimeUtcFromString
})

/** The position of a consumer of events. */
export interface Checkpoint extends Schema.Schema.Type<typeof Checkpoint> {}

/** An event that a consumer failed to handle and skipped. */
export const ParkedEvent = Schema.Struct({
  consumer: Name,
  position: Position,
  reason: Schema.String,
  parkedAt: Schema.DateTimeUtcFromString
})

/** An event that a consumer failed to handle and skipped. */
export interface ParkedEvent extends Schema.Schema.Type<typeof ParkedEvent> {}

/**
 * Another consumer with this name has moved the checkpoint. This one changed nothing.
 *
 * What to do: run one consumer for each name, or read the checkpoint again.
 */
export class CheckpointMoved extends Schema.TaggedError<CheckpointMoved>()("CheckpointMoved", {
  consumer: Name,
  /** The expected position of the checkpoint. */
  expected: Schema.Int,
  /** Its actual position. */
  found: Schema.Int
}) {
  override get message(): string {
    return `The checkpoint of ${JSON.stringify(this.consumer)} is at ${this.found}, not at ${this.expected}: another consumer with this name has moved it.`
  }
}

/**
 * The checkpoint of a consumer is beyond the end of the log, for example after a restore. Nothing was consumed.
 *
 * What to do: move the checkpoint back with `backlog consumers NAME --reset-to`, after checking which events the consumer
 * has handled.
 */
export class CheckpointAhead extends Schema.TaggedError<CheckpointAhead>()("CheckpointAhead", {
  consumer: Name,
  /** The position of the checkpoint. */
  position: Schema.Int,
  /** The position of the last event of the log. */
  head: Schema.Int
}) {
  override get message(): string {
    const { consumer, head, position } = this
    return (
      `The checkpoint of ${JSON.stringify(consumer)} is at ${position}, and the log ends at ${head}: the log was restored ` +
      `or truncated. Check what the consumer did with the events after ${head}; then set its checkpoint back to ${head}, ` +
      `or to an earlier position, with \`backlog consumers NAME --reset-to ${head}\` or AuditService.advance.`
    )
  }
}

const CheckpointRow = Schema.Struct({ ...Checkpoint.fields, updatedAt: Schema.DateTimeUtcFromDate })
const ParkedRow = Schema.Struct({ ...ParkedEvent.fields, parkedAt: Schema.DateTimeUtcFromDate })
const decodeCheckpoints = Schema.decodeUnknownSync(Schema.Array(CheckpointRow))
const decodeParked = Schema.decodeUnknownSync(Schema.Array(ParkedRow))

/** The durable checkpoints of consumers, and their parked events. */
export class Checkpoints extends Context.Service<
  Checkpoints,
  {
    readonly list: Effect.Effect<ReadonlyArray<Checkpoint>, SqlError.SqlError>
    readonly get: (consumer: string) => Effect.Effect<Option.Option<Checkpoint>, SqlError.SqlError>
    /**
     * Locks the checkpoint of a consumer until the caller's transaction ends, and returns its position. Creates it at
     * position 0 if there is none.
     */
    readonly lock: (consumer: string) => Effect.Effect<number, SqlError.SqlError>
    /** Moves a checkpoint from its expected position, in the caller's transaction, and not beyond the end of the log. */
    readonly advance: (
      consumer: string,
      from: number,
      to: number
    ) => Effect.Effect<void, CheckpointMoved | MomentNotReached | SqlError.SqlError>
    readonly park: (consumer: string, position: number, reason: string) => Effect.Effect<void, SqlError.SqlError>
    /** The parked events, ordered by consumer and position. */
    readonly parked: (consumer?: string) => Effect.Effect<ReadonlyArray<ParkedEvent>, SqlError.SqlError>
    /** Removes a parked event. Returns whether it was parked. */
    readonly unpark: (consumer: string, position: number) => Effect.Effect<boolean, SqlError.SqlError>
  }
>()("mosaic-backlog/events/Checkpoints") {
  static readonly layer: Layer.Layer<Checkpoints, never, SqlClient.SqlClient> = Layer.effect(
    Checkpoints,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const schema = yield* BacklogSchema
      const clock = yield* DatabaseClock
      const checkpoints = sql(`${schema}.checkpoints`)
      const parkedEvents = sql(`${schema}.parked_events`)
      const events = sql(`${schema}.events`)
      const head = currentHead(sql, schema)
      const now = () => databaseNow(sql, clock.override)
      const columns = sql.literal('consumer, position::float8 AS position, updated_at AS "updatedAt"')

      const get = (consumer: string) =>
        Effect.map(sql`SELECT ${columns} FROM ${checkpoints} WHERE consumer = ${consumer}`, (rows) =>
          Option.fromUndefinedOr(decodeCheckpoints(rows)[0])
        )

      const lock = Effect.fnUntraced(function* (consumer: string) {
        yield* sql`INSERT INTO ${checkpoints} (consumer, position, updated_at) VALUES (${consumer}, 0, ${now()})
          ON CONFLICT (consumer) DO NOTHING`
        const rows = yield* sql<{ readonly position: number }>`
          SELECT position::float8 AS position FROM ${checkpoints} WHERE consumer = ${consumer} FOR UPDATE`
        return rows[0]?.position ?? 0
      })

      const advance = (consumer: string, from: number, to: number) =>
        inTransaction(sql)(
          Effect.gen(function* () {
            const found = yield* lock(consumer)
            if (found !== from) return yield* new CheckpointMoved({ consumer, expected: from, found })
            // Compares with the head in the same statement: a restore may have removed the events since they were read.
            const moved = yield* sql`
              UPDATE ${checkpoints} SET position = ${BigInt(to)}::int8, updated_at = ${now()}
              WHERE consumer = ${consumer} AND ${BigInt(to)}::int8 <= (SELECT position FROM ${head} AS head)
              RETURNING consumer`
            if (moved.length > 0) return
            const [end] = yield* sql<{
              readonly position: number
            }>`SELECT position::float8 AS position FROM ${head} AS head`
            return yield* positionNotReached(to, end?.position ?? 0)
          })
        )

      return Checkpoints.of({
        list: Effect.map(sql`SELECT ${columns} FROM ${checkpoints} ORDER BY consumer`, decodeCheckpoints),
        get,
        lock,
        advance,
        // A consumer may have read the event before a redaction and report its content after it.
        park: (consumer, position, reason) =>
          Effect.asVoid(
            Effect.suspend(
              () => sql`
                INSERT INTO ${parkedEvents} (consumer, position, reason, parked_at)
                SELECT ${consumer}, ${BigInt(position)}::int8, CASE WHEN EXISTS (
                  SELECT FROM ${events} AS parked JOIN ${events} AS redaction USING (card_id)
                  WHERE parked.position = ${BigInt(position)}::int8 AND redaction.type = 'CardRedacted'
                    AND redaction.version > parked.version) THEN ${redactedText}::text ELSE ${reason}::text END, ${now()}
                ON CONFLICT (consumer, position) DO UPDATE SET reason = excluded.reason, parked_at = excluded.parked_at`
            )
          ),
        parked: (consumer) =>
          Effect.map(
            sql`
              SELECT consumer, position::float8 AS position, reason, parked_at AS "parkedAt" FROM ${parkedEvents}
              ${consumer === undefined ? sql`` : sql`WHERE consumer = ${consumer}`}
              ORDER BY consumer, parked_events.position`,
            decodeParked
          ),
        unpark: (consumer, position) =>
          Effect.map(
            sql`DELETE FROM ${parkedEvents} WHERE consumer = ${consumer} AND position = ${BigInt(position)}::int8 RETURNING consumer`,
            (rows) => rows.length > 0
          )
      })
    })
  )
}
