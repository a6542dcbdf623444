/*
 * The statements that write the log. Storage format of `events`: one row an event, with its position, card and version,
 * payload, commitments, origin, times and hashes; `head`: one row with the last position, chain hash and time. See
 * ContentHash.ts for what the hashes cover.
 *
 * Lock order: the head row is the last lock of every transaction, after the graph and all cards. Only the transaction that
 * holds it appends, so positions are dense and in commit order. See docs/decisions/0023-hashes-in-the-database.md.
 */
import { Array as Arr, DateTime, Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import type { StreamEvent } from "../domain/evolve.ts"
import {
  arrayLiteral,
  enableArrayNulls,
  fromJsonLines,
  nullableArrayLiteral,
  toJsonLines
} from "../sql/arrayLiteral.ts"
import { chunkRows } from "../sql/bulkStatements.ts"
import { databaseTime, isoTimeSql } from "../sql/DatabaseClock.ts"
import { requireDurableCommit } from "../sql/inTransaction.ts"
import { memoizeByFlags, memoizeLast } from "../sql/memoize.ts"
import { type Placeholders, prepareStatement } from "../sql/prepareStatement.ts"
import { commitChannel } from "./CommitListener.ts"
import { canonicalParts, type Commitments, createCommitments, type HashedContent } from "./ContentHash.ts"
import { encodeEvent } from "./EventCodec.ts"
import { microsecondsSql } from "./LogReader.ts"
import type { StoredEvent } from "./StoredEvent.ts"

/** Who caused an event, and the command, correlation and cause that it belongs to. */
interface Origin {
  readonly actor: string
  readonly correlationId: string | null
  readonly causationId: string | null
  readonly commandId: string | null
}

/** A decided event with its place in its card's stream, not yet appended. */
export interface PendingEvent extends StreamEvent, Origin {}

/** A row of `head`, as `headColumns` selects it. */
export interface HeadRow {
  readonly position: number
  readonly chainHash: Uint8Array
  /** Microseconds since 1970; null for an empty log. */
  readonly recordedAt: number | null
}

interface LockedHeadRow extends HeadRow {
  readonly arrayNulls: string
  readonly synchronousCommit: string
}

/** Statements that write the log, in the caller's transaction. */
export interface LogWriter {
  /** Locks the head row and reads it. */
  readonly lockHead: Effect.Effect<ReadonlyArray<HeadRow>, SqlError.SqlError>
  /** The statements that append events, to be run in this order. The first is `lockHead`. */
  readonly append: (
    pending: ReadonlyArray<PendingEvent>,
    generation: number
  ) => ReadonlyArray<Effect.Effect<unknown, SqlError.SqlError>>
  /** Inserts events that were stored elsewhere, unchanged, and moves the head to the last of them. */
  readonly restore: (stored: Arr.NonEmptyReadonlyArray<StoredEvent>) => Effect.Effect<void, SqlError.SqlError>
  /** See `EventLog.awaitStandby`. */
  readonly awaitStandby: Effect.Effect<unknown, SqlError.SqlError>
}

/** The columns of `HeadRow`. */
export const headColumns = `position::float8 AS position, chain_hash AS "chainHash",
  ${microsecondsSql("nullif(recorded_at, '-infinity')")} AS "recordedAt"`

export const makeLogWriter = (
  sql: SqlClient.SqlClient,
  schema: string,
  clockOverride: () => Date | null
): LogWriter => {
  const events = sql(`${schema}.events`)
  const head = sql(`${schema}.head`)

  const lockHead = prepareStatement<object, LockedHeadRow>(
    sql,
    () =>
      sql`SELECT ${sql.literal(headColumns)}, ${enableArrayNulls(sql)} AS "arrayNulls", ${requireDurableCommit(sql)} AS "synchronousCommit" FROM ${head} FOR UPDATE`
  )({})

  /**
   * Inserts events behind the locked head and moves the head to the last of them. The database computes the hashes,
   * because they cover the time of recording, which is known only under the lock; so the head stays locked no longer
   * than necessary. All parts of one append are recorded at the same time.
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
    const rows = Arr.map(part, encodeForAppend)
    return insertNext(isFirst)({
      ...contentValues(rows),
      before: toJsonLines(rows.map((row) => row.canonical[0])),
      after: toJsonLines(rows.map((row) => row.canonical[1])),
      count: rows.length,
      now: clockOverride(),
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
    // Encoded part by part: the database receives one while the next is encoded.
    const parts = Array.from(chunkRows(pending, ({ event }) => payloadSize(event)))
    if (parts.length === 0) return []
    return [lockHead, ...parts.map((part, index) => Effect.suspend(() => insertPart(part, index === 0, generation)))]
  }

  const eventColumns = sql.literal(`card_id, version, type, schema_version, data, commitments, actor,
    correlation_id, causation_id, command_id, occurred_at`)
  const eventValues = sql.literal(`card_id, version, type, schema_version, data::jsonb, commitments::jsonb, actor,
    correlation_id, causation_id, command_id, occurred_at`)

  /** The arrays of an event's columns without its place in the log, in the order of `eventColumns`. */
  const contentArrays = (content: Placeholders<ContentValues>) => sql`
    ${content.cardIds}::text[], ${content.versions}::int4[], ${content.types}::text[], ${content.schemaVersions}::int4[],
    ${fromJsonLines(sql, content.data)}, ${fromJsonLines(sql, content.commitments)}, ${content.actors}::text[],
    ${content.correlationIds}::text[], ${content.causationIds}::text[], ${content.commandIds}::text[],
    ${content.occurredAt}::timestamptz[]`

  /** Inserts events unchanged and moves the head to the last of them. */
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
  })

  return { lockHead, append, restore, awaitStandby }
}

interface EventContent {
  readonly content: Omit<HashedContent, "recordedAt">
  readonly commitments: Commitments
  readonly occurredAt: Date
  /** The payload as JSON text. */
  readonly data: string
}

/** The columns of many events' rows without their places in the log, an array each. */
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

/** The values of the statement that restores stored events. */
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

interface EncodedPendingEvent extends EventContent {
  /** The hashed JSON before and after the time of recording, which the database inserts. */
  readonly canonical: readonly [before: string, after: string]
}

interface EventInsert extends EventContent {
  readonly position: bigint
  readonly recordedAt: Date
  readonly contentHash: Uint8Array
  readonly chainHash: Uint8Array
}

/** The approximate number of characters of an event's payload, without quotes, names and times. */
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

const encodeForAppend = (event: PendingEvent): EncodedPendingEvent => {
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
