import { Effect, Option } from "effect"
import type { SqlClient, SqlError, Statement } from "effect/sql"
import type { CardId } from "../domain/CardId.ts"
import type { EventRow } from "./StoredEvent.ts"
import { isoTimeSql } from "../sql/DatabaseClock.ts"
import { arrayLiteral } from "../sql/arrayLiteral.ts"
import { selectPage } from "../sql/pages.ts"

/** Which events to read, in the order of the log. */
export interface EventFilter {
  readonly cardId?: CardId | undefined
  readonly type?: string | undefined
  readonly actor?: string | undefined
}

/** A place in the order of cards and versions. */
export interface StreamPlace {
  readonly cardId: string
  readonly version: number
}

type Page = Effect.Effect<ReadonlyArray<EventRow>, SqlError.SqlError>

/** Pages of the log. A page is empty only when there is nothing more. */
export interface LogReader {
  /** Events after one position and up to another, in the order of positions. */
  readonly byPosition: (after: number, upTo: number, filter?: EventFilter) => Page
  /** Events up to a position, in the order of cards and of their versions, of every card or of some. */
  readonly byCard: (after: StreamPlace | undefined, upTo: number, ids?: ReadonlyArray<CardId>) => Page
  /** When the event at a position was recorded. */
  readonly recordedAt: (position: number) => Effect.Effect<Option.Option<Date>, SqlError.SqlError>
  /** The position of one of a card's events. */
  readonly positionOf: (cardId: CardId, version: number) => Effect.Effect<Option.Option<number>, SqlError.SqlError>
  /** The last position that was recorded by a time; 0 when none was. */
  readonly positionAt: (time: Date) => Effect.Effect<number, SqlError.SqlError>
  /** Whether the log has an event of a type. */
  readonly hasType: (type: string) => Effect.Effect<boolean, SqlError.SqlError>
  /** Positions, hashes and recording times, in the order of positions. */
  readonly links: (after: number) => Effect.Effect<ReadonlyArray<ChainLink>, SqlError.SqlError>
}

/** What the chain is made of. */
export interface ChainLink {
  readonly position: number
  readonly cardId: string
  readonly contentHash: Uint8Array
  readonly chainHash: Uint8Array
  /** Microseconds since 1970; infinite for a time that is none. */
  readonly recordedAt: number
}

/** Small, so that what has arrived is soon taken and the next page asked for while this program works. */
const eventsPerPage = 250
const linksPerPage = 5_000

/** A column's time in microseconds since 1970, in SQL. */
export const microsecondsSql = (column: string): string => `trunc(extract(epoch FROM ${column}) * 1000000)::float8`

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

  /** Types that the log has an event of, and will have. */
  const typesFound = new Set<string>()

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
          // Not as a condition on the index of positions, which without statistics is read to its end for one card's events.
          sql`position + 0 <= ${BigInt(upTo)}::int8`,
          ...(after === undefined
            ? []
            : [sql`(card_id, version) > (${after.cardId}::text COLLATE "C", ${after.version}::int4)`]),
          ...(ids === undefined ? [] : [sql`card_id = ANY(${arrayLiteral(ids)}::text[])`])
        ]),
        "card_id, version"
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
    // Recording times never go back from one position to the next: halving finds the last in a score of steps.
    positionAt: (time) =>
      Effect.map(
        sql<{ readonly position: number }>`
          WITH RECURSIVE search (low, high) AS (
            SELECT 0::int8, position FROM ${sql(`${schema}.head`)}
            UNION ALL
            SELECT CASE WHEN recorded_at <= ${time}::timestamptz THEN position ELSE low END,
              CASE WHEN recorded_at <= ${time}::timestamptz THEN high ELSE position - 1 END
            FROM search JOIN ${events} AS events ON position = (low + high + 1) / 2 WHERE low < high)
          SELECT low::float8 AS position FROM search WHERE low = high`,
        (rows) => {
          const row = rows[0]
          if (row === undefined) throw new Error("the log has a hole, so its times cannot be searched; verify it")
          return row.position
        }
      ),
    // There is no index of types: one that does not occur costs a scan of the log, as reading its events would.
    hasType: (type) =>
      Effect.suspend(() =>
        typesFound.has(type)
          ? Effect.succeed(true)
          : Effect.map(
              sql`SELECT position FROM ${events} WHERE type = ${type} ORDER BY position DESC LIMIT 1`,
              (rows) => {
                if (rows.length > 0) typesFound.add(type)
                return rows.length > 0
              }
            )
      ),
    // One row for a page: a row for each event would take this program longer than hashing.
    links: (after) =>
      Effect.map(
        sql<{ readonly cardIds: ReadonlyArray<string>; readonly fields: Uint8Array }>`
          SELECT pg_catalog.array_agg(card_id ORDER BY position) AS "cardIds",
            string_agg(int8send(position) || timestamptz_send(recorded_at) || content_hash || chain_hash, ''
              ORDER BY position) AS fields
          FROM (SELECT * FROM ${events} WHERE position > ${BigInt(after)}::int8 ORDER BY position LIMIT ${linksPerPage}) AS page
          HAVING count(*) > 0`,
        (rows) => rows.flatMap(({ cardIds, fields }) => linksOf(cardIds, fields))
      )
  }
}

const bytesPerLink = 80

/** Microseconds from 1970 to 2000, from where the database counts; the ends of its count stand for no time at all. */
const epoch = 946_684_800_000_000n
const infinite = new Map([
  [2n ** 63n - 1n, Number.POSITIVE_INFINITY],
  [-(2n ** 63n), Number.NEGATIVE_INFINITY]
])

const microsecondsOf = (binary: bigint): number => infinite.get(binary) ?? Number(binary + epoch)

const linksOf = (cardIds: ReadonlyArray<string>, fields: Uint8Array): ReadonlyArray<ChainLink> => {
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
