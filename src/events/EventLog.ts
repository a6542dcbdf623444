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
import { SqlClient, type SqlError } from "effect/sql"
import type { CardId } from "../domain/CardId.ts"
import type { EventParts } from "../domain/Event.ts"
import type { StreamEvent } from "../domain/evolve.ts"
import { commitChannel, CommitListener } from "./CommitListener.ts"
import { canonicalParts, type Commitments, createCommitments, type HashedContent } from "./ContentHash.ts"
import { encodeEvent } from "./EventCodec.ts"
import type { RecordedEvent } from "./RecordedEvent.ts"
import { DamagedEvent, decodeRow, type EventRow, toRecordedEvent, type StoredEvent } from "./StoredEvent.ts"
import { type EventFilter, makeLogReader, microsecondsSql, type LogReader } from "./LogReader.ts"
import { DatabaseClock, databaseTime, isoTimeSql } from "../sql/DatabaseClock.ts"
import { BacklogSchema } from "../sql/SchemaName.ts"
import {
  arrayLiteral,
  fromJsonLines,
  toJsonLines,
  nullableArrayLiteral,
  enableArrayNulls
} from "../sql/arrayLiteral.ts"
import { streamPagesAhead, streamPages } from "../sql/pages.ts"
import { chunkRows } from "../sql/bulkStatements.ts"
import { prepareStatement, type Placeholders } from "../sql/prepareStatement.ts"
import { requireDurableCommit } from "../sql/inTransaction.ts"
import { memoizeByFlags, memoizeLast } from "../sql/memoize.ts"

/** Who caused an event, and what it belongs to. */
export interface Origin {
  readonly actor: string
  readonly correlationId: string | null
  readonly causationId: string | null
  readonly commandId: string | null
}

/** A decided event with its place in its card's stream, ready to be appended. */
export interface PendingEvent extends StreamEvent, Origin {}

/** Why events cannot be read. */
export type LogFailure = DamagedEvent | SqlError.SqlError

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
     * The statements that append events in order, to be run in this order in the caller's transaction. The first takes
     * the last lock of all, the head row, which is held until that transaction ends: the head stands at the last of the
     * events from then on, and no other transaction moves it. They fail with a `SerializationError` when the log has a later
     * generation than the one given.
     */
    readonly append: (
      events: ReadonlyArray<PendingEvent>,
      generation: number
    ) => ReadonlyArray<Effect.Effect<unknown, SqlError.SqlError>>
    /**
     * Makes the commit of a transaction that writes nothing else wait for a synchronous standby, as the commits before
     * it that its answer rests on. Does nothing where no standby is configured.
     */
    readonly awaitStandby: Effect.Effect<unknown, SqlError.SqlError>
    /** Tells those who wait for commits, here, that there was one. */
    readonly notifyCommit: Effect.Effect<void>
    /** Inserts events that were stored elsewhere, as they are, and moves the head to the last. */
    readonly restore: (events: Arr.NonEmptyReadonlyArray<StoredEvent>) => Effect.Effect<void, SqlError.SqlError>
    /** Where the log ends: locked until the caller's transaction ends, or just read. */
    readonly head: (mode: "lock" | "read") => Effect.Effect<Head, SqlError.SqlError>
    /** The same read, none when somebody has removed the row: only a verification goes on then. */
    readonly findHead: Effect.Effect<Option.Option<Head>, SqlError.SqlError>
    /** Erases parts of a card's events with their salts. Nothing brings them back. */
    readonly erase: (cardId: CardId, erased: ReadonlyArray<EventParts>) => Effect.Effect<void, SqlError.SqlError>
    /** Pages of the log as it lies in its table. */
    readonly read: LogReader
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
    readonly subscribeCommits: Effect.Effect<PubSub.Subscription<void>, never, Scope.Scope>
    /** Whether the server is a hot standby now, which may be behind its primary server. */
    readonly isReplica: Effect.Effect<boolean, SqlError.SqlError>
    /**
     * Whether all events that were recorded by a time are here. On a hot standby: whether it has replayed a later
     * transaction; or, two seconds after that time, everything that it has received, while it is connected to its
     * primary server.
     */
    readonly hasReplayed: (time: DateTime.Utc) => Effect.Effect<boolean, SqlError.SqlError>
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
      const read = makeLogReader(sql, schema)

      const headColumns = sql.literal(`position::float8 AS position, chain_hash AS "chainHash",
        ${microsecondsSql("nullif(recorded_at, '-infinity')")} AS "recordedAt"`)

      const lockHead = prepareStatement<object, LockedHeadRow>(
        sql,
        () =>
          sql`SELECT ${headColumns}, ${enableArrayNulls(sql)} AS "arrayNulls", ${requireDurableCommit(sql)} AS "synchronousCommit" FROM ${head} FOR UPDATE`
      )({})

      /**
       * Inserts events behind the locked head and moves it to the last of them. When they are recorded, and so their
       * hashes, is known only then, and so the database makes them: it holds the head for no longer than it must. The
       * parts of one append are all recorded at the same time.
       */
      const insertNext = memoizeByFlags((isFirst: boolean) =>
        prepareStatement<NextEvents>(sql, (next) => {
          const recordedAt = isFirst ? sql`greatest(recorded_at, ${databaseTime(sql, next.now)})` : sql`recorded_at`
          return sql`
        WITH RECURSIVE ending AS MATERIALIZED (
          SELECT position, chain_hash, recorded_at,
            ${sql.literal(isoTimeSql("recorded_at"))} AS recorded_text
          FROM (SELECT position, chain_hash, ${recordedAt} AS recorded_at FROM ${head} OFFSET 0) AS head),
        contents AS MATERIALIZED (
          SELECT string_agg(sha256(convert_to(before || (SELECT recorded_text FROM ending) || after, 'UTF8')), ''
            ORDER BY place) AS hashes
          FROM unnest(${fromJsonLines(sql, next.before)}, ${fromJsonLines(sql, next.after)})
            WITH ORDINALITY AS content (before, after, place)),
        chain (place, hash) AS (
          SELECT 0, chain_hash FROM ending UNION ALL
          SELECT place + 1, sha256(hash || substr((SELECT hashes FROM contents), place * 32 + 1, 32)) FROM chain
          WHERE place < ${next.count}::int4),
        inserted AS (INSERT INTO ${events} (position, ${eventColumns}, recorded_at, content_hash, chain_hash)
          SELECT (SELECT position FROM ending) + place, ${eventValues}, (SELECT recorded_at FROM ending),
            substr((SELECT hashes FROM contents), (place::int4 - 1) * 32 + 1, 32), chain_hash
          FROM unnest(${contentArrays(next)}, ARRAY(SELECT hash FROM chain WHERE place > 0 ORDER BY place))
            WITH ORDINALITY AS row (${eventColumns}, chain_hash, place))
        UPDATE ${head} SET position = position + ${next.count}::int4,
          guarded_position = position + ${next.count}::int4, recorded_at = (SELECT recorded_at FROM ending),
          chain_hash = (SELECT hash FROM chain WHERE place = ${next.count}::int4),
          generation = ${next.generation}::int8
        RETURNING pg_notify(${commitChannel}, ${schema})::text`
        })
      )

      const insertPart = (part: Arr.NonEmptyReadonlyArray<PendingEvent>, isFirst: boolean, generation: number) => {
        const rows = Arr.map(part, seal)
        return insertNext(isFirst)({
          ...contentValues(rows),
          before: toJsonLines(rows.map((row) => row.canonical[0])),
          after: toJsonLines(rows.map((row) => row.canonical[1])),
          count: rows.length,
          now: clock.override(),
          generation: BigInt(generation)
        })
      }

      // A commit waits only when its transaction has written to the write-ahead log.
      const awaitStandby = prepareStatement<object>(
        sql,
        () => sql`SELECT CASE WHEN current_setting('synchronous_standby_names') <> ''
          THEN pg_catalog.concat(${requireDurableCommit(sql)}, pg_catalog.pg_logical_emit_message(true, 'mosaic_backlog', '')) END AS awaited`
      )({})

      const append = (pending: ReadonlyArray<PendingEvent>, generation: number) => {
        // Sealed part by part: the database takes in the first while the next is made.
        const parts = Array.from(chunkRows(pending, ({ event }) => payloadSize(event)))
        if (parts.length === 0) return []
        return [
          lockHead,
          ...parts.map((part, index) => Effect.suspend(() => insertPart(part, index === 0, generation)))
        ]
      }

      const eventColumns = sql.literal(`card_id, version, type, schema_version, data, commitments, actor,
        correlation_id, causation_id, command_id, occurred_at`)
      const eventValues = sql.literal(`card_id, version, type, schema_version, data::jsonb, commitments::jsonb, actor,
        correlation_id, causation_id, command_id, occurred_at`)

      /** What an event's row has but its place in the log, in the order of `eventColumns`. */
      const contentArrays = (content: Placeholders<ContentValues>) => sql`
        ${content.cardIds}::text[], ${content.versions}::int4[], ${content.types}::text[], ${content.schemaVersions}::int4[],
        ${fromJsonLines(sql, content.data)}, ${fromJsonLines(sql, content.commitments)}, ${content.actors}::text[],
        ${content.correlationIds}::text[], ${content.causationIds}::text[], ${content.commandIds}::text[],
        ${content.occurredAt}::timestamptz[]`

      /** Inserts events as they are and moves the head to the last of them. */
      const insertStored = prepareStatement<StoredEvents>(
        sql,
        (stored) => sql`
        WITH inserted AS (INSERT INTO ${events} (position, ${eventColumns}, recorded_at, content_hash, chain_hash)
        SELECT position, ${eventValues}, recorded_at, content_hash, chain_hash
        FROM unnest(${contentArrays(stored)}, ${stored.positions}::int8[], ${stored.recordedAt}::timestamptz[],
          ${stored.contentHashes}::bytea[], ${stored.chainHashes}::bytea[]
        ) AS row (${eventColumns}, position, recorded_at, content_hash, chain_hash))
        UPDATE ${head} SET position = ${stored.lastPosition}::int8, guarded_position = ${stored.lastPosition}::int8, chain_hash = ${stored.lastChainHash}::bytea,
          recorded_at = ${stored.lastRecordedAt}::timestamptz
        RETURNING pg_notify(${commitChannel}, ${schema})::text`
      )

      const insertStoredPart = (rows: Arr.NonEmptyReadonlyArray<EventInsert>) => {
        const last = Arr.lastNonEmpty(rows)
        return insertStored({
          ...contentValues(rows),
          positions: arrayLiteral(rows.map((row) => row.position)),
          recordedAt: arrayLiteral(rows.map((row) => row.recordedAt)),
          contentHashes: arrayLiteral(rows.map((row) => row.contentHash)),
          chainHashes: arrayLiteral(rows.map((row) => row.chainHash)),
          lastPosition: last.position,
          lastChainHash: last.chainHash,
          lastRecordedAt: last.recordedAt
        })
      }

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
        for (const chunk of chunkRows(rows, (row) => row.data.length)) yield* insertStoredPart(chunk)
        yield* sql.afterCommit(ring)
      })

      /**
       * Runs a statement that triggers of the log judge. Names in their functions are looked up in the session's search
       * path, and must be those of `pg_catalog`.
       */
      const judged = Effect.fnUntraced(function* (statement: Effect.Effect<unknown, SqlError.SqlError>) {
        const setPath = (path: string) => sql`SELECT pg_catalog.set_config('search_path', ${path}, true)`
        const [before] = yield* sql<{ readonly path: string }>`
          SELECT pg_catalog.current_setting('search_path') AS path`
        yield* setPath("pg_catalog")
        yield* statement
        yield* setPath(before?.path ?? "")
      })

      const erase = (cardId: CardId, erased: ReadonlyArray<EventParts>) => sql`
        UPDATE ${events} AS events SET data = data - erased.parts, commitments = (
            SELECT pg_catalog.jsonb_object_agg(key, CASE WHEN key = ANY (erased.parts) THEN value - 'salt' ELSE value END)
            FROM jsonb_each(commitments))
        FROM (SELECT version, string_to_array(parts, ',') AS parts FROM unnest(
          ${arrayLiteral(erased.map(({ version }) => version))}::int4[],
          ${arrayLiteral(erased.map(({ parts }) => parts.join()))}::text[]) AS row (version, parts)) AS erased
        WHERE events.card_id = ${cardId} AND events.version = erased.version`

      const headRows = sql<HeadRow>`SELECT ${headColumns} FROM ${head}`

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
              (Option.isSome(open) ? streamPages : streamPagesAhead)(first, fetch, placeOf),
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
        awaitStandby,
        notifyCommit: ring,
        restore,
        erase: (cardId, erased) => judged(erase(cardId, erased)),
        findHead: Effect.map(headRows, (rows) => Option.map(Option.fromUndefinedOr(rows[0]), endOf)),
        head: (mode) => Effect.map(mode === "read" ? headRows : lockHead, (rows) => endOf(headOf(rows, schema))),
        read,
        page,
        between,
        streams,
        history: (cardId) => Stream.map(streams(Number.MAX_SAFE_INTEGER, [cardId]), toRecordedEvent),
        subscribeCommits: Effect.andThen(RcRef.get(listener), PubSub.subscribe(bell)),
        isReplica: Effect.map(sql<{ readonly is: boolean }>`SELECT pg_is_in_recovery() AS is`, isTrue),
        hasReplayed: (time) =>
          Effect.map(
            sql<{ readonly is: boolean }>`
              SELECT NOT pg_is_in_recovery()
                OR coalesce(pg_last_xact_replay_timestamp() > ${DateTime.toDateUtc(time)}, false)
                OR (clock_timestamp() > ${DateTime.toDateUtc(time)} + ${inFlight}::interval
                  AND EXISTS (SELECT FROM pg_stat_wal_receiver)
                  AND coalesce(pg_last_wal_replay_lsn() >= pg_last_wal_receive_lsn(), false)) AS is`,
            isTrue
          )
      })
    })
  )
}

/** How long a commit may be on its way to a standby that is connected. */
const inFlight = "2 seconds"

const isTrue = ([row]: ReadonlyArray<{ readonly is: boolean }>): boolean => row?.is === true

interface HeadRow extends Omit<Head, "chainHash"> {
  readonly chainHash: Uint8Array
}

interface LockedHeadRow extends HeadRow {
  readonly arrayNulls: string
  readonly synchronousCommit: string
}

interface EventContent {
  readonly content: Omit<HashedContent, "recordedAt">
  readonly commitments: Commitments
  readonly occurredAt: Date
  /** The payload as JSON text. */
  readonly data: string
}

/** What many events' rows have but their places in the log: a column each. */
interface ContentValues {
  readonly cardIds: string
  readonly versions: string
  readonly types: string
  readonly schemaVersions: string
  readonly data: string
  readonly commitments: string
  readonly actors: string
  readonly correlationIds: string
  readonly causationIds: string
  readonly commandIds: string
  readonly occurredAt: string
}

/** The values of the statement that inserts the next events of the log. */
interface NextEvents extends ContentValues {
  readonly before: string
  readonly after: string
  readonly count: number
  readonly now: Date | null
  readonly generation: bigint
}

/** The values of the statement that inserts events as they were stored. */
interface StoredEvents extends ContentValues {
  readonly positions: string
  readonly recordedAt: string
  readonly contentHashes: string
  readonly chainHashes: string
  readonly lastPosition: bigint
  readonly lastChainHash: Uint8Array
  readonly lastRecordedAt: Date
}

const contentValues = (rows: ReadonlyArray<EventContent>): ContentValues => ({
  cardIds: arrayLiteral(rows.map((row) => row.content.cardId)),
  versions: arrayLiteral(rows.map((row) => row.content.version)),
  types: arrayLiteral(rows.map((row) => row.content.type)),
  schemaVersions: arrayLiteral(rows.map((row) => row.content.schemaVersion)),
  data: toJsonLines(rows.map((row) => row.data)),
  commitments: toJsonLines(rows.map((row) => JSON.stringify(row.commitments))),
  actors: arrayLiteral(rows.map((row) => row.content.actor)),
  correlationIds: nullableArrayLiteral(rows.map((row) => row.content.correlationId)),
  causationIds: nullableArrayLiteral(rows.map((row) => row.content.causationId)),
  commandIds: nullableArrayLiteral(rows.map((row) => row.content.commandId)),
  occurredAt: arrayLiteral(rows.map((row) => row.occurredAt))
})

interface SealedEvent extends EventContent {
  /** What the content hash is over, around the time at which the event is recorded. */
  readonly canonical: readonly [before: string, after: string]
}

interface EventInsert extends EventContent {
  readonly position: bigint
  readonly recordedAt: Date
  readonly contentHash: Uint8Array
  readonly chainHash: Uint8Array
}

/** About how many characters an event's payload has: all of them, but for quotes, names and times. */
const payloadSize = (event: PendingEvent["event"]): number => {
  let size = 0
  for (const value of Object.values(event) as ReadonlyArray<unknown>) {
    if (typeof value === "string") size += value.length
    else if (typeof value === "object" && value !== null && !DateTime.isDateTime(value)) {
      size += JSON.stringify(value).length
    }
  }
  return size
}

const isoText = memoizeLast(DateTime.formatIso)
const dateOf = memoizeLast(DateTime.toDateUtc)

const seal = (event: PendingEvent): SealedEvent => {
  const encoded = encodeEvent(event.event)
  const content = {
    cardId: event.cardId,
    version: event.version,
    ...encoded,
    actor: event.actor,
    correlationId: event.correlationId,
    causationId: event.causationId,
    commandId: event.commandId,
    occurredAt: isoText(event.occurredAt)
  }
  const commitments = createCommitments(encoded.data)
  return {
    content,
    commitments,
    canonical: canonicalParts(content, commitments),
    occurredAt: dateOf(event.occurredAt),
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
