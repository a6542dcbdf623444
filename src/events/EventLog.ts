import {
  Array as Arr,
  Context,
  DateTime,
  Effect,
  Layer,
  Option,
  PubSub,
  RcRef,
  Result,
  type Scope,
  Stream
} from "effect"
import { SqlClient, type SqlError, type Statement } from "effect/sql"
import type { CardId } from "../domain/CardId.ts"
import type { EventParts } from "../domain/EventParts.ts"
import type { Occurrence } from "../domain/evolve.ts"
import { arrayLiteral } from "./arrayLiteral.ts"
import { chunks } from "./chunks.ts"
import { commitChannel, CommitListener } from "./CommitListener.ts"
import { chainHash, type Commitments, commitTo, contentHash, type HashedContent } from "./ContentHash.ts"
import { DatabaseClock, databaseNow } from "./DatabaseClock.ts"
import { durably } from "./durably.ts"
import { encodeEvent } from "./EventCodec.ts"
import { everyPage, pageByPage } from "./everyPage.ts"
import { type EventFilter, makeReadEvents, microseconds, type ReadEvents } from "./readEvents.ts"
import type { RecordedEvent } from "./RecordedEvent.ts"
import { BacklogSchema } from "./SchemaName.ts"
import { DamagedEvent, decodeRow, type EventRow, recordedOf, type StoredEvent } from "./StoredEvent.ts"

/** Who caused an event, and what it belongs to. */
export interface Origin {
  readonly actor: string
  readonly correlationId: string | null
  readonly causationId: string | null
  readonly commandId: string | null
}

/** A decided event with its place in its card's stream, ready to be appended. */
export interface PendingEvent extends Occurrence, Origin {}

/** Why events cannot be read. */
export type LogFailure = DamagedEvent | SqlError.SqlError

/** The locked end of the log: what the next event follows, and when it is recorded. */
export interface LogEnd {
  readonly position: number
  readonly chainHash: Uint8Array
  readonly nextRecordedAt: Date
}

/** The end of the log. */
export interface Head {
  readonly position: number
  /** In hexadecimal. */
  readonly chainHash: string
  /** When the last event was recorded, in microseconds since 1970; null for an empty log. */
  readonly recordedAt: number | null
}

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
    /**
     * Locks the head row until the caller's transaction ends, for `appended`: the last lock that a transaction takes. Under
     * a condition: where it does not hold nothing is locked, and none is answered.
     */
    readonly lockEnd: (condition?: Statement.Fragment) => Effect.Effect<Option.Option<LogEnd>, SqlError.SqlError>
    /** The statements that append events in order after the end, which the caller has locked; to be run in this order. */
    readonly appended: (
      end: LogEnd,
      events: ReadonlyArray<PendingEvent>
    ) => ReadonlyArray<Effect.Effect<unknown, SqlError.SqlError>>
    /** Tells those who wait for commits in this process that there was one. */
    readonly announce: Effect.Effect<void>
    /** Inserts events that were stored elsewhere, as they are, and moves the head to the last. */
    readonly restore: (events: Arr.NonEmptyReadonlyArray<StoredEvent>) => Effect.Effect<void, SqlError.SqlError>
    /** Where the log ends: locked until the caller's transaction ends, or just read. */
    readonly head: (mode: "lock" | "read") => Effect.Effect<Head, SqlError.SqlError>
    /** The same read, none when somebody has removed the row: only a verification goes on then. */
    readonly findHead: Effect.Effect<Option.Option<Head>, SqlError.SqlError>
    /** Erases parts of a card's events with their salts. Nothing brings them back. */
    readonly erase: (cardId: CardId, erased: ReadonlyArray<EventParts>) => Effect.Effect<void, SqlError.SqlError>
    /** Pages of the log as it lies in its table. */
    readonly read: ReadEvents
    /** The first events after one position and up to another, as many as are read at once; none only if there are none. */
    readonly page: (
      after: number,
      upTo: number,
      filter?: EventFilter
    ) => Effect.Effect<ReadonlyArray<StoredEvent>, LogFailure>
    /** Events after one position and up to another, in order. */
    readonly between: (after: number, upTo: number, filter?: EventFilter) => Stream.Stream<StoredEvent, LogFailure>
    /** Events up to a position in the order of cards and versions, of all cards or of some. */
    readonly streams: (upTo: number, ids?: ReadonlyArray<CardId>) => Stream.Stream<StoredEvent, LogFailure>
    /** Every event of a card in order of version, read page by page. */
    readonly history: (cardId: CardId) => Stream.Stream<RecordedEvent, LogFailure>
    /**
     * Signals that events may have been appended, here or elsewhere, since the last was taken. Some may never come:
     * whoever waits must look for itself from time to time.
     */
    readonly commits: Effect.Effect<PubSub.Subscription<void>, never, Scope.Scope>
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

      const { listen } = yield* CommitListener
      const bell = yield* PubSub.sliding<void>(1)
      const ring = Effect.asVoid(PubSub.publish(bell, undefined))
      const listener = yield* RcRef.make({ acquire: listen(ring) })
      const read = makeReadEvents(sql, schema)

      const headColumns = sql.literal(`position::float8 AS position, chain_hash AS "chainHash",
        ${microseconds("nullif(recorded_at, '-infinity')")} AS "recordedAt"`)

      const lockRows = (condition: Statement.Fragment) => sql<LockedHeadRow>`
        SELECT ${headColumns}, greatest(recorded_at, ${databaseNow(sql, clock.override)}) AS "nextRecordedAt",
          ${durably(sql)} AS "synchronousCommit"
        FROM ${head} WHERE ${condition} FOR UPDATE`

      const lockHead = Effect.map(
        Effect.suspend(() => lockRows(sql`true`)),
        (rows) => headOf(rows, schema)
      )

      const logEndOf = (row: LockedHeadRow): LogEnd => ({
        position: row.position,
        chainHash: row.chainHash,
        nextRecordedAt: row.nextRecordedAt
      })

      const lockEnd = (condition?: Statement.Fragment) =>
        condition === undefined
          ? Effect.map(lockHead, (row) => Option.some(logEndOf(row)))
          : Effect.map(
              Effect.suspend(() => lockRows(condition)),
              ([row]) => Option.map(Option.fromUndefinedOr(row), logEndOf)
            )

      /** Inserts events and moves the head to the last of them, in one round trip. */
      const insert = (rows: Arr.NonEmptyReadonlyArray<EventInsert>) => {
        const last = Arr.lastNonEmpty(rows)
        return sql`
        WITH inserted AS (INSERT INTO ${events} (position, card_id, version, type, schema_version, data, commitments, actor,
          correlation_id, causation_id, command_id, occurred_at, recorded_at, content_hash, chain_hash)
        SELECT position, card_id, version, type, schema_version, data::jsonb, commitments::jsonb, actor,
          correlation_id, causation_id, command_id, occurred_at, recorded_at, content_hash, chain_hash
        FROM unnest(
          ${arrayLiteral(rows.map((row) => row.position))}::int8[], ${arrayLiteral(rows.map((row) => row.content.cardId))}::text[],
          ${arrayLiteral(rows.map((row) => row.content.version))}::int4[], ${arrayLiteral(rows.map((row) => row.content.type))}::text[],
          ${arrayLiteral(rows.map((row) => row.content.schemaVersion))}::int4[], ${arrayLiteral(rows.map((row) => row.data))}::text[],
          ${arrayLiteral(rows.map((row) => JSON.stringify(row.commitments)))}::text[], ${arrayLiteral(rows.map((row) => row.content.actor))}::text[],
          ${arrayLiteral(rows.map((row) => row.content.correlationId))}::text[], ${arrayLiteral(rows.map((row) => row.content.causationId))}::text[],
          ${arrayLiteral(rows.map((row) => row.content.commandId))}::text[], ${arrayLiteral(rows.map((row) => row.occurredAt))}::timestamptz[],
          ${arrayLiteral(rows.map((row) => row.recordedAt))}::timestamptz[],
          ${arrayLiteral(rows.map((row) => row.contentHash))}::bytea[], ${arrayLiteral(rows.map((row) => row.chainHash))}::bytea[]
        ) AS row (position, card_id, version, type, schema_version, data, commitments, actor, correlation_id,
          causation_id, command_id, occurred_at, recorded_at, content_hash, chain_hash))
        UPDATE ${head} SET position = ${last.position}::int8, chain_hash = ${last.chainHash}::bytea,
          recorded_at = ${last.recordedAt}::timestamptz
        RETURNING pg_notify(${commitChannel}, ${schema})::text`
      }

      const appended = (before: LogEnd, pending: ReadonlyArray<PendingEvent>) => {
        const sealed = pending.map(seal)
        const recordedAt = before.nextRecordedAt.toISOString()
        let chain = before.chainHash
        const rows = sealed.map((event, index): EventInsert => {
          const content: HashedContent = { ...event.content, recordedAt }
          const hash = Buffer.from(contentHash(content, event.commitments), "hex")
          chain = chainHash(chain, hash)
          return {
            ...event,
            position: BigInt(before.position + index + 1),
            recordedAt: before.nextRecordedAt,
            contentHash: hash,
            chainHash: chain
          }
        })
        return Array.from(
          chunks(rows, (row) => row.data.length),
          (chunk) => Effect.suspend(() => insert(chunk))
        )
      }

      const append = Effect.fnUntraced(function* (pending: ReadonlyArray<PendingEvent>) {
        const end = logEndOf(yield* lockHead)
        yield* Effect.forEach(appended(end, pending), (statement) => statement, { discard: true })
        yield* sql.afterCommit(ring)
        return end.position
      })

      const restore = Effect.fnUntraced(function* (stored: Arr.NonEmptyReadonlyArray<StoredEvent>) {
        const rows = stored.map((event): EventInsert => ({
          content: event,
          commitments: event.commitments as Commitments,
          occurredAt: new Date(event.occurredAt),
          data: JSON.stringify(event.data),
          position: BigInt(event.position),
          recordedAt: new Date(event.recordedAt),
          contentHash: Buffer.from(event.contentHash, "hex"),
          chainHash: Buffer.from(event.chainHash, "hex")
        }))
        for (const chunk of chunks(rows, (row) => row.data.length)) yield* insert(chunk)
        yield* sql.afterCommit(ring)
      })

      const erase = (cardId: CardId, erased: ReadonlyArray<EventParts>) => sql`
        UPDATE ${events} AS events SET data = data - erased.parts, commitments = (
            SELECT jsonb_object_agg(key, CASE WHEN key = ANY (erased.parts) THEN value - 'salt' ELSE value END)
            FROM jsonb_each(commitments))
        FROM (SELECT version, string_to_array(parts, ',') AS parts FROM unnest(
          ${arrayLiteral(erased.map(({ version }) => version))}::int4[],
          ${arrayLiteral(erased.map(({ parts }) => parts.join()))}::text[]) AS row (version, parts)) AS erased
        WHERE events.card_id = ${cardId} AND events.version = erased.version`

      const headRows = sql<HeadRow>`SELECT ${headColumns} FROM ${head}`
      const readHead = Effect.map(headRows, (rows) => headOf(rows, schema))

      const page = (after: number, upTo: number, filter?: EventFilter) =>
        Effect.flatMap(read.byPosition(after, upTo, filter), storedEvents)

      /** Every page, none of them ahead of time in the caller's transaction, which has to survive whoever stops reading. */
      const pages = <Place>(
        first: Place,
        fetch: (place: Place) => Effect.Effect<ReadonlyArray<EventRow>, SqlError.SqlError>,
        placeOf: (last: EventRow) => Place
      ) =>
        Stream.unwrap(
          Effect.map(Effect.serviceOption(sql.transactionService), (open) =>
            Stream.mapArrayEffect(
              (Option.isSome(open) ? pageByPage : everyPage)(first, fetch, placeOf),
              (rows) => storedEvents(rows) as Effect.Effect<Arr.NonEmptyReadonlyArray<StoredEvent>, DamagedEvent>
            )
          )
        )

      const between = (after: number, upTo: number, filter?: EventFilter) =>
        pages(
          after,
          (place) => read.byPosition(place, upTo, filter),
          (row) => row.position
        )

      const streams = (upTo: number, ids?: ReadonlyArray<CardId>) =>
        pages(
          undefined as EventRow | undefined,
          (place) => read.byCard(place, upTo, ids),
          (row): EventRow | undefined => row
        )

      return EventLog.of({
        append,
        lockEnd,
        appended,
        announce: ring,
        restore,
        erase: (cardId, erased) => Effect.asVoid(erase(cardId, erased)),
        findHead: Effect.map(headRows, (rows) => Option.map(Option.fromUndefinedOr(rows[0]), endOf)),
        head: (mode) => Effect.map(mode === "read" ? readHead : lockHead, endOf),
        read,
        page,
        between,
        streams,
        history: (cardId) => Stream.map(streams(Number.MAX_SAFE_INTEGER, [cardId]), recordedOf),
        commits: Effect.andThen(RcRef.get(listener), PubSub.subscribe(bell))
      })
    })
  )
}

interface HeadRow extends Omit<Head, "chainHash"> {
  readonly chainHash: Uint8Array
}

interface LockedHeadRow extends HeadRow {
  readonly nextRecordedAt: Date
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

const headOf = <Row>(rows: ReadonlyArray<Row>, schema: string): Row => {
  const row = rows[0]
  if (row === undefined) throw new Error(`the head row of the backlog in schema ${schema} is missing`)
  return row
}

const endOf = (row: HeadRow): Head => ({
  position: row.position,
  chainHash: Buffer.from(row.chainHash).toString("hex"),
  recordedAt: row.recordedAt
})

/** A row that cannot be decoded was altered: who reads the log must not take it for something else. */
const storedEvents = (rows: ReadonlyArray<EventRow>): Effect.Effect<ReadonlyArray<StoredEvent>, DamagedEvent> =>
  Effect.suspend(() => {
    const events: Array<StoredEvent> = []
    for (const row of rows) {
      const { cardId, position } = row
      const decoded = decodeRow(row)
      if (Result.isFailure(decoded)) return new DamagedEvent({ cardId, position, problem: decoded.failure })
      events.push(decoded.success)
    }
    return Effect.succeed(events)
  })
