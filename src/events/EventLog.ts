/*
 * The event log. Storage format: the table `events` has one row an event and is append-only; the table `head` has one row
 * with the end of the log. EventCodec.ts describes the payloads, ContentHash.ts the hashes, LogWriter.ts the statements
 * that append, LogReader.ts those that read.
 */
import {
  type Array as Arr,
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
import { arrayLiteral } from "../sql/arrayLiteral.ts"
import { streamPages, streamPagesAhead } from "../sql/pages.ts"
import { BacklogSchema } from "../sql/SchemaName.ts"
import { CommitListener } from "./CommitListener.ts"
import { currentHead, type EventFilter, type LogReader, makeLogReader } from "./LogReader.ts"
import { headColumns, type HeadRow, makeLogWriter } from "./LogWriter.ts"
import type { RecordedEvent } from "./RecordedEvent.ts"
import { DamagedEvent, decodeRow, type EventRow, type StoredEvent, toRecordedEvent } from "./StoredEvent.ts"

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
 * The append-only log of all events. Positions are dense and in commit order. Each event has a hash of its content and a
 * hash of the chain up to it.
 */
export class EventLog extends Context.Service<
  EventLog,
  {
    /** Sends a commit notification to the subscribers of this process. */
    readonly notifyCommit: Effect.Effect<void>
    /** Inserts events that were stored elsewhere, unchanged, and moves the head to the last of them. */
    readonly restore: (events: Arr.NonEmptyReadonlyArray<StoredEvent>) => Effect.Effect<void, SqlError.SqlError>
    /** Reads the end of the log; `lock` also locks it until the caller's transaction ends. */
    readonly head: (mode: "lock" | "read") => Effect.Effect<Head, SqlError.SqlError>
    /** Reads the end of the log; `None` when the row is missing. Only verification continues without it. */
    readonly findHead: Effect.Effect<Option.Option<Head>, SqlError.SqlError>
    /** Erases fields of a card's events together with their salts, permanently. */
    readonly erase: (cardId: CardId, erased: ReadonlyArray<EventParts>) => Effect.Effect<void, SqlError.SqlError>
    /** Queries for pages of undecoded rows, and for positions. */
    readonly read: LogReader
    /** The first page of events after one position and up to another. Empty only when there are no such events. */
    readonly page: (
      after: number,
      upTo: number,
      filter?: EventFilter
    ) => Effect.Effect<ReadonlyArray<StoredEvent>, LogFailure>
    /** Events after one position and up to another, in order. */
    readonly between: (after: number, upTo: number, filter?: EventFilter) => Stream.Stream<StoredEvent, LogFailure>
    /** Events up to a position, ordered by card and version, of all cards or of the given ones. */
    readonly streams: (upTo: number, ids?: ReadonlyArray<CardId>) => Stream.Stream<StoredEvent, LogFailure>
    /** All events of a card, ordered by version, read page by page. */
    readonly history: (cardId: CardId) => Stream.Stream<RecordedEvent, LogFailure>
    /**
     * Subscribes to commit notifications: each says that events may have been appended, by this or another process. A
     * notification can be lost, so subscribers must also poll.
     */
    readonly subscribeCommits: Effect.Effect<PubSub.Subscription<void>, never, Scope.Scope>
    /** Whether the server is currently a hot standby, which may lag behind its primary server. */
    readonly isReplica: Effect.Effect<boolean, SqlError.SqlError>
    /**
     * Whether the server has all events that were recorded by a time. On a hot standby: whether it has replayed a later
     * transaction; or, from two seconds after that time, whether it is connected to its primary server and has replayed
     * everything that it received.
     */
    readonly hasReplayed: (time: DateTime.Utc) => Effect.Effect<boolean, SqlError.SqlError>
  }
>()("mosaic-backlog/events/EventLog") {
  static readonly layer: Layer.Layer<EventLog, never, SqlClient.SqlClient> = Layer.effect(
    EventLog,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const schema = yield* BacklogSchema
      const events = sql(`${schema}.events`)

      const { listen } = yield* CommitListener
      const notifications = yield* PubSub.sliding<void>(1)
      const notifyCommit = Effect.asVoid(PubSub.publish(notifications, undefined))
      // Listens for commits of other processes while there are subscribers.
      const listener = yield* RcRef.make({ acquire: listen(notifyCommit) })
      const read = makeLogReader(sql, schema)
      const writer = makeLogWriter(sql, schema)

      const headRows = sql<HeadRow>`SELECT ${sql.literal(headColumns)} FROM ${currentHead(sql, schema)} AS head`

      const restore = (stored: Arr.NonEmptyReadonlyArray<StoredEvent>) =>
        Effect.andThen(writer.restore(stored), sql.afterCommit(notifyCommit))

      /**
       * Runs a statement that fires triggers of the log with the search path `pg_catalog`: their functions look names up in
       * the session's search path, which another role could have shadowed.
       */
      const withCatalogSearchPath = Effect.fnUntraced(function* (statement: Effect.Effect<unknown, SqlError.SqlError>) {
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

      const page = (after: number, upTo: number, filter?: EventFilter) =>
        Effect.flatMap(read.byPosition(after, upTo, filter), decodeRows)

      /** All pages. Prefetches, except in the caller's transaction: a reader that stops early cancels the fetch, which aborts it. */
      const pages = <Place>(
        first: Place,
        fetch: (place: Place) => Effect.Effect<ReadonlyArray<EventRow>, SqlError.SqlError>,
        placeOf: (last: EventRow) => Place
      ) =>
        Stream.unwrap(
          Effect.map(Effect.serviceOption(sql.transactionService), (open) =>
            Stream.mapArrayEffect(
              (Option.isSome(open) ? streamPages : streamPagesAhead)(first, fetch, placeOf),
              (rows) => decodeRows(rows) as Effect.Effect<Arr.NonEmptyReadonlyArray<StoredEvent>, DamagedEvent>
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
        notifyCommit,
        restore,
        erase: (cardId, erased) => withCatalogSearchPath(erase(cardId, erased)),
        findHead: Effect.map(headRows, (rows) => Option.map(Option.fromUndefinedOr(rows[0]), toHead)),
        head: (mode) =>
          Effect.map(mode === "read" ? headRows : writer.lockHead, (rows) => toHead(requireHeadRow(rows, schema))),
        read,
        page,
        between,
        streams,
        history: (cardId) => Stream.map(streams(Number.MAX_SAFE_INTEGER, [cardId]), toRecordedEvent),
        subscribeCommits: Effect.andThen(RcRef.get(listener), PubSub.subscribe(notifications)),
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

/** Maximum time until a commit reaches a connected standby. */
const inFlight = "2 seconds"

const isTrue = ([row]: ReadonlyArray<{ readonly is: boolean }>): boolean => row?.is === true

const requireHeadRow = (rows: ReadonlyArray<HeadRow>, schema: string): HeadRow => {
  const row = rows[0]
  if (row === undefined) throw new Error(`the head row of the backlog in schema ${schema} is missing`)
  return row
}

const toHead = (row: HeadRow): Head => ({
  position: row.position,
  chainHash: Buffer.from(row.chainHash).toString("hex"),
  recordedAt: row.recordedAt
})

/** Decodes rows. A row that cannot be decoded was altered: reading fails with `DamagedEvent` instead of skipping it. */
const decodeRows = (rows: ReadonlyArray<EventRow>): Effect.Effect<ReadonlyArray<StoredEvent>, DamagedEvent> =>
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
