import { Array as Arr, Context, DateTime, Effect, Layer, Option, Schema, Stream } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { CardId } from "../domain/CardId.ts"
import type { Occurrence } from "../domain/evolve.ts"
import { arrayLiteral } from "./arrayLiteral.ts"
import { chunks } from "./chunks.ts"
import { chainHash, type Commitments, commitTo, contentHash, type HashedContent } from "./ContentHash.ts"
import { DatabaseClock } from "./DatabaseClock.ts"
import { encodeEvent } from "./EventCodec.ts"
import { RecordedEvent } from "./RecordedEvent.ts"
import { BacklogSchema } from "./SchemaName.ts"

/** Who caused an event, and what it belongs to. */
export interface Origin {
  readonly actor: string
  readonly correlationId: string | null
  readonly causationId: string | null
  readonly commandId: string | null
}

/** A decided event with its place in its card's stream, ready to be appended. */
export interface PendingEvent extends Occurrence, Origin {}

const eventsPerPage = 500

const EventRow = Schema.Struct({
  ...RecordedEvent.fields,
  occurredAt: Schema.DateTimeUtcFromDate,
  recordedAt: Schema.DateTimeUtcFromDate
})

const decodeRows = Schema.decodeUnknownEffect(Schema.Array(EventRow))

/**
 * The append-only log of everything that happened. Positions are dense and in commit order; every event carries a hash
 * of its content and a hash of the chain up to it.
 */
export class EventLog extends Context.Service<
  EventLog,
  {
    /**
     * Appends events in order and answers the position before the first. Runs in the caller's transaction, as its last
     * lock: it holds the head row until that transaction ends.
     */
    readonly append: (events: ReadonlyArray<PendingEvent>) => Effect.Effect<number, SqlError.SqlError>
    /** Every event of a card in order of version, read page by page. */
    readonly history: (cardId: CardId) => Stream.Stream<RecordedEvent, SqlError.SqlError>
  }
>()("mosaic-backlog/events/EventLog") {
  static readonly layer: Layer.Layer<EventLog, never, SqlClient.SqlClient> = Layer.effect(
    EventLog,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const schema = yield* BacklogSchema
      const clock = yield* DatabaseClock
      const events = sql(`${schema}.events`)
      const head = sql(`${schema}.head`)

      const lockHead = Effect.map(
        Effect.suspend(
          () => sql<{ readonly position: number; readonly chainHash: Uint8Array; readonly recordedAt: Date }>`
            SELECT position::float8 AS position, chain_hash AS "chainHash",
              greatest(recorded_at, coalesce(${clock.override()}::timestamptz, date_trunc('milliseconds', clock_timestamp())))
                AS "recordedAt"
            FROM ${head} FOR UPDATE`
        ),
        (rows) => {
          const row = rows[0]
          if (row === undefined) throw new Error(`the head row of the backlog in schema ${schema} is missing`)
          return row
        }
      )

      /** Inserts events and moves the head to the last of them, in one round trip. */
      const insert = (rows: Arr.NonEmptyReadonlyArray<EventInsert>) => {
        const last = Arr.lastNonEmpty(rows)
        return sql`
        WITH inserted AS (INSERT INTO ${events} (position, card_id, version, type, schema_version, data, commitments, actor,
          correlation_id, causation_id, command_id, occurred_at, recorded_at, content_hash, chain_hash)
        SELECT position, card_id, version, type, schema_version, data::jsonb, commitments::jsonb, actor,
          correlation_id, causation_id, command_id, occurred_at, ${last.recordedAt}::timestamptz, content_hash, chain_hash
        FROM unnest(
          ${arrayLiteral(rows.map((row) => row.position))}::int8[], ${arrayLiteral(rows.map((row) => row.content.cardId))}::text[],
          ${arrayLiteral(rows.map((row) => row.content.version))}::int4[], ${arrayLiteral(rows.map((row) => row.content.type))}::text[],
          ${arrayLiteral(rows.map((row) => row.content.schemaVersion))}::int4[], ${arrayLiteral(rows.map((row) => row.data))}::text[],
          ${arrayLiteral(rows.map((row) => JSON.stringify(row.commitments)))}::text[], ${arrayLiteral(rows.map((row) => row.content.actor))}::text[],
          ${arrayLiteral(rows.map((row) => row.content.correlationId))}::text[], ${arrayLiteral(rows.map((row) => row.content.causationId))}::text[],
          ${arrayLiteral(rows.map((row) => row.content.commandId))}::text[], ${arrayLiteral(rows.map((row) => row.occurredAt))}::timestamptz[],
          ${arrayLiteral(rows.map((row) => row.contentHash))}::bytea[], ${arrayLiteral(rows.map((row) => row.chainHash))}::bytea[]
        ) AS row (position, card_id, version, type, schema_version, data, commitments, actor, correlation_id,
          causation_id, command_id, occurred_at, content_hash, chain_hash))
        UPDATE ${head} SET position = ${last.position}::int8, chain_hash = ${last.chainHash}::bytea,
          recorded_at = ${last.recordedAt}::timestamptz`
      }

      const append = Effect.fnUntraced(function* (pending: ReadonlyArray<PendingEvent>) {
        const sealed = pending.map(seal)
        const before = yield* lockHead
        const recordedAt = before.recordedAt.toISOString()
        let chain = before.chainHash
        const rows = sealed.map((event, index): EventInsert => {
          const content: HashedContent = { ...event.content, recordedAt }
          const hash = contentHash(content, event.commitments)
          chain = chainHash(chain, hash)
          return {
            ...event,
            position: BigInt(before.position + index + 1),
            recordedAt: before.recordedAt,
            contentHash: hash,
            chainHash: chain
          }
        })
        for (const chunk of chunks(rows, (row) => row.data.length)) yield* insert(chunk)
        return before.position
      })

      const history = (cardId: CardId) =>
        Stream.paginate(0, (after) =>
          sql`
            SELECT position::float8 AS position, card_id AS "cardId", version, type, schema_version AS "schemaVersion",
              data, actor, correlation_id AS "correlationId", causation_id AS "causationId", command_id AS "commandId",
              occurred_at AS "occurredAt", recorded_at AS "recordedAt",
              encode(content_hash, 'hex') AS "contentHash", encode(chain_hash, 'hex') AS "chainHash"
            FROM ${events} WHERE card_id = ${cardId} AND version > ${after}
            ORDER BY version LIMIT ${eventsPerPage}`.pipe(
            Effect.flatMap((rows) => Effect.orDie(decodeRows(rows))),
            Effect.map((page) => [page, nextPage(page)] as const)
          )
        )

      return EventLog.of({ append, history })
    })
  )
}

interface SealedEvent {
  readonly content: Omit<HashedContent, "recordedAt">
  readonly commitments: Commitments
  readonly occurredAt: Date
  /** The payload as JSON text. */
  readonly data: string
}

interface EventInsert extends SealedEvent {
  readonly position: bigint
  readonly recordedAt: Date
  readonly contentHash: Uint8Array
  readonly chainHash: Uint8Array
}

/** Everything that can be done before the head row is held. */
const seal = (event: PendingEvent): SealedEvent => {
  const encoded = encodeEvent(event.event)
  return {
    content: {
      cardId: event.cardId,
      version: event.version,
      ...encoded,
      actor: event.actor,
      correlationId: event.correlationId,
      causationId: event.causationId,
      commandId: event.commandId,
      occurredAt: DateTime.formatIso(event.occurredAt)
    },
    commitments: commitTo(encoded.data),
    occurredAt: DateTime.toDateUtc(event.occurredAt),
    data: JSON.stringify(encoded.data)
  }
}

const nextPage = (page: ReadonlyArray<RecordedEvent>) => {
  const last = page.at(-1)
  return last === undefined || page.length < eventsPerPage ? Option.none<number>() : Option.some(last.version)
}
