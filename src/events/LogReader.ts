import { Effect, Option } from "effect"
import type { SqlClient, SqlError, Statement } from "effect/sql"
import type { CardId } from "../domain/CardId.ts"
import type { ErasablePart } from "../domain/Event.ts"
import type { EventRow } from "./StoredEvent.ts"
import { isoTimeSql } from "../sql/DatabaseClock.ts"
import { arrayLiteral } from "../sql/arrayLiteral.ts"
import { selectPage } from "../sql/pages.ts"

/** Filters events. Defaults to all events. */
export interface EventFilter {
  readonly cardId?: CardId | undefined
  readonly type?: string | undefined
  readonly actor?: string | undefined
}

/** A place in the order by card and version. */
export interface StreamPlace {
  readonly cardId: string
  readonly version: number
}

type Page = Effect.Effect<ReadonlyArray<EventRow>, SqlError.SqlError>

/** Queries of the log. A page is empty only at the end. */
export interface LogReader {
  /** A page of events after one position and up to another, ordered by position. */
  readonly byPosition: (after: number, upTo: number, filter?: EventFilter) => Page
  /** A page of events up to a position, ordered by card and version, of all cards or of the given ones. */
  readonly byCard: (after: StreamPlace | undefined, upTo: number, ids?: ReadonlyArray<CardId>) => Page
  /** A page of events after one position and up to another, ordered by position, without the parts that can be erased. */
  readonly withoutTexts: (
    after: number,
    upTo: number
  ) => Effect.Effect<ReadonlyArray<EventWithoutTexts>, SqlError.SqlError>
  /** The positions at which cards were created, of those that exist. */
  readonly createdPositions: (
    ids: ReadonlyArray<CardId>
  ) => Effect.Effect<ReadonlyMap<CardId, number>, SqlError.SqlError>
  /** The hash of the chain up to a position, in hexadecimal. */
  readonly chainHash: (position: number) => Effect.Effect<Option.Option<string>, SqlError.SqlError>
  /** The cards with events after one position and up to another, in the order of ids. */
  readonly cardsBetween: (after: number, upTo: number) => Effect.Effect<ReadonlyArray<CardId>, SqlError.SqlError>
  /** When the event at a position was recorded. */
  readonly recordedAt: (position: number) => Effect.Effect<Option.Option<Date>, SqlError.SqlError>
  /** The position of one of a card's events. */
  readonly positionOf: (cardId: CardId, version: number) => Effect.Effect<Option.Option<number>, SqlError.SqlError>
  /** The last position that was recorded by a time; 0 when there is none. */
  readonly positionAt: (time: Date) => Effect.Effect<number, SqlError.SqlError>
  /** The last position that was recorded before a time; 0 when there is none. */
  readonly positionBefore: (time: Date) => Effect.Effect<number, SqlError.SqlError>
  /** Whether the log has an event of this type. */
  readonly hasType: (type: string) => Effect.Effect<boolean, SqlError.SqlError>
  /** A page of the links of the hash chain, ordered by position. */
  readonly links: (after: number) => Effect.Effect<ReadonlyArray<ChainLink>, SqlError.SqlError>
}

/** An event for a fold that needs no texts. */
export interface EventWithoutTexts {
  readonly position: number
  readonly cardId: CardId
  readonly version: number
  readonly type: string
  readonly schemaVersion: number
  /** The payload without the parts in `redacted`. */
  readonly data: string
  readonly redacted: ReadonlyArray<ErasablePart>
  readonly actor: string
  /** Milliseconds since 1970. */
  readonly occurredAt: number
  /** In hexadecimal. */
  readonly chainHash: string
}

/** A link of the hash chain: the position, hashes and recording time of an event. */
export interface ChainLink {
  readonly position: number
  readonly cardId: string
  readonly contentHash: Uint8Array
  readonly chainHash: Uint8Array
  /** Microseconds since 1970; infinite for the times `infinity` and `-infinity`. */
  readonly recordedAt: number
}

/** Small, so that the next page is requested early, while this program processes the current one. */
const eventsPerPage = 250
const linksPerPage = 5_000
const eventsWithoutTextsPerPage = 1_000

/** SQL for the time of a column in microseconds since 1970. */
export const microsecondsSql = (column: string): string => `trunc(extract(epoch FROM ${column}) * 1000000)::float8`

/**
 * The row of `head`, as an item of FROM. It is the first by position: while an old snapshot keeps the versions of all commits since,
 * any other way reads all of them.
 */
export const currentHead = (sql: SqlClient.SqlClient, schema: string): Statement.Fragment =>
  sql`(SELECT * FROM ${sql(`${schema}.head`)} ORDER BY position DESC LIMIT 1)`

export const makeLogReader = (sql: SqlClient.SqlClient, schema: string): LogReader => {
  const events = sql(`${schema}.events`)
  const columns = sql.literal(`position::float8 AS position, card_id AS "cardId", version, type,
    schema_version AS "schemaVersion", data::text AS data, commitments::text AS commitments, actor,
    correlation_id AS "correlationId", causation_id AS "causationId", command_id AS "commandId",
    ${isoTimeSql("occurred_at")} AS "occurredAt", ${isoTimeSql("recorded_at")} AS "recordedAt",
    encode(content_hash, 'hex') AS "contentHash", encode(chain_hash, 'hex') AS "chainHash"`)

  const page = (where: Statement.Fragment, order: string) =>
    selectPage<EventRow>(sql, {
      from: events,
      columns,
      where,
      order,
      heavy: ["data", "commitments"],
      limit: eventsPerPage
    })

  // Recording times never decrease from one position to the next, so a binary search finds the last.
  const lastPosition = (isIncluded: Statement.Fragment) =>
    Effect.map(
      sql<{ readonly position: number }>`
        WITH RECURSIVE search (low, high) AS (
          SELECT 0::int8, position FROM ${currentHead(sql, schema)} AS head
          UNION ALL
          SELECT CASE WHEN ${isIncluded} THEN position ELSE low END, CASE WHEN ${isIncluded} THEN high ELSE position - 1 END
          FROM search JOIN ${events} AS events ON position = (low + high + 1) / 2 WHERE low < high)
        SELECT low::float8 AS position FROM search WHERE low = high`,
      (rows) => {
        const row = rows[0]
        if (row === undefined) throw new Error("the log has a gap, so its times cannot be searched: verify the log")
        return row.position
      }
    )

  /** Types of which the log has an event. The log is append-only, so they remain. */
  const knownTypes = new Set<string>()

  return {
    byPosition: (after, upTo, filter = {}) =>
      page(
        sql.and([
          sql`position > ${BigInt(after)}::int8`,
          sql`position <= ${BigInt(upTo)}::int8`,
          ...(filter.cardId === undefined ? [] : [sql`card_id = ${filter.cardId}`]),
          ...(filter.type === undefined ? [] : [sql`type = ${filter.type}`]),
          ...(filter.actor === undefined ? [] : [sql`actor = ${filter.actor}`])
        ]),
        "position"
      ),
    byCard: (after, upTo, ids) =>
      page(
        sql.and([
          // `+ 0` keeps the planner off the index of positions, which without statistics it would scan for one card's events.
          sql`position + 0 <= ${BigInt(upTo)}::int8`,
          ...(after === undefined
            ? []
            : [sql`(card_id, version) > (${after.cardId}::text COLLATE "C", ${after.version}::int4)`]),
          ...(ids === undefined ? [] : [sql`card_id = ANY(${arrayLiteral(ids)}::text[])`])
        ]),
        "card_id, version"
      ),
    withoutTexts: (after, upTo) =>
      Effect.map(
        sql<Omit<EventWithoutTexts, "redacted"> & { readonly redacted: string }>`
          SELECT position::float8 AS position, card_id AS "cardId", version, type, schema_version AS "schemaVersion",
            (CASE WHEN commitments = '{}' THEN data ELSE data - parts END)::text AS data, array_to_string(parts, ',') AS redacted,
            actor, trunc(extract(epoch FROM occurred_at) * 1000)::float8 AS "occurredAt",
            encode(chain_hash, 'hex') AS "chainHash"
          FROM ${events} AS events CROSS JOIN LATERAL (
            SELECT ARRAY(SELECT jsonb_object_keys(commitments)) AS parts) AS committed
          WHERE position > ${BigInt(after)}::int8 AND position <= ${BigInt(upTo)}::int8
          ORDER BY position LIMIT ${eventsWithoutTextsPerPage}`,
        (rows) =>
          rows.map((row) => ({
            ...row,
            redacted: row.redacted === "" ? noParts : (row.redacted.split(",") as Array<ErasablePart>)
          }))
      ),
    createdPositions: (ids) =>
      Effect.map(
        sql<{ readonly cardId: CardId; readonly position: number }>`
          SELECT card_id AS "cardId", position::float8 AS position FROM ${events}
          WHERE card_id = ANY(${arrayLiteral(ids)}::text[]) AND version = 1`,
        (rows) => new Map(rows.map(({ cardId, position }) => [cardId, position]))
      ),
    chainHash: (position) =>
      Effect.map(
        sql<{ readonly chainHash: string }>`
          SELECT encode(chain_hash, 'hex') AS "chainHash" FROM ${events} WHERE position = ${BigInt(position)}::int8`,
        (rows) => Option.map(Option.fromUndefinedOr(rows[0]), (row) => row.chainHash)
      ),
    cardsBetween: (after, upTo) =>
      Effect.map(
        sql<{ readonly cardId: CardId }>`
          SELECT DISTINCT card_id AS "cardId" FROM ${events}
          WHERE position > ${BigInt(after)}::int8 AND position <= ${BigInt(upTo)}::int8 ORDER BY card_id`,
        (rows) => rows.map(({ cardId }) => cardId)
      ),
    recordedAt: (position) =>
      Effect.map(
        sql<{ readonly recordedAt: Date }>`
          SELECT recorded_at AS "recordedAt" FROM ${events} WHERE position = ${BigInt(position)}::int8`,
        (rows) => Option.map(Option.fromUndefinedOr(rows[0]), (row) => row.recordedAt)
      ),
    positionOf: (cardId, version) =>
      Effect.map(
        sql<{ readonly position: number }>`
          SELECT position::float8 AS position FROM ${events} WHERE card_id = ${cardId} AND version = ${version}::int4`,
        (rows) => Option.map(Option.fromUndefinedOr(rows[0]), (row) => row.position)
      ),
    positionAt: (time) => lastPosition(sql`recorded_at <= ${time}::timestamptz`),
    positionBefore: (time) => lastPosition(sql`recorded_at < ${time}::timestamptz`),
    // There is no index of types: a type without events costs a scan of the log, like reading its events.
    hasType: (type) =>
      Effect.suspend(() =>
        knownTypes.has(type)
          ? Effect.succeed(true)
          : Effect.map(
              sql`SELECT position FROM ${events} WHERE type = ${type} ORDER BY position DESC LIMIT 1`,
              (rows) => {
                if (rows.length > 0) knownTypes.add(type)
                return rows.length > 0
              }
            )
      ),
    // One row for a page: one row for each event would take longer than the hashing.
    links: (after) =>
      Effect.map(
        sql<{ readonly cardIds: ReadonlyArray<string>; readonly fields: Uint8Array }>`
          SELECT pg_catalog.array_agg(card_id ORDER BY position) AS "cardIds",
            string_agg(int8send(position) || timestamptz_send(recorded_at) || content_hash || chain_hash, ''
              ORDER BY position) AS fields
          FROM (SELECT * FROM ${events} WHERE position > ${BigInt(after)}::int8 ORDER BY position LIMIT ${linksPerPage}) AS page
          HAVING count(*) > 0`,
        (rows) => rows.flatMap(({ cardIds, fields }) => parseLinks(cardIds, fields))
      )
  }
}

const noParts: ReadonlyArray<ErasablePart> = []

const bytesPerLink = 80

/** Microseconds from 1970 to 2000, the epoch of Postgres, whose smallest and greatest values are the infinite times. */
const epoch = 946_684_800_000_000n
const infinite = new Map([
  [2n ** 63n - 1n, Number.POSITIVE_INFINITY],
  [-(2n ** 63n), Number.NEGATIVE_INFINITY]
])

const microsecondsOf = (binary: bigint): number => infinite.get(binary) ?? Number(binary + epoch)

const parseLinks = (cardIds: ReadonlyArray<string>, fields: Uint8Array): ReadonlyArray<ChainLink> => {
  const view = new DataView(fields.buffer, fields.byteOffset, fields.byteLength)
  return cardIds.map((cardId, index) => {
    const start = index * bytesPerLink
    return {
      cardId,
      position: Number(view.getBigInt64(start)),
      recordedAt: microsecondsOf(view.getBigInt64(start + 8)),
      contentHash: fields.subarray(start + 16, start + 48),
      chainHash: fields.subarray(start + 48, start + 80)
    }
  })
}
