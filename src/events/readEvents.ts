import { Effect, Option } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import type { CardId } from "../domain/CardId.ts"
import { arrayLiteral } from "./arrayLiteral.ts"
import type { EventRow } from "./StoredEvent.ts"
import { timeText } from "./timeText.ts"

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
export interface ReadEvents {
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
  /** Positions, hashes and recording times, in the order of positions. */
  readonly links: (after: number) => Effect.Effect<ReadonlyArray<ChainLink>, SqlError.SqlError>
}

/** What the chain is made of. */
export interface ChainLink {
  readonly position: number
  readonly cardId: string
  readonly contentHash: Uint8Array
  readonly chainHash: Uint8Array
  /** Microseconds since 1970, as text; `Infinity` for a time that is none. */
  readonly recordedAt: string
}

const eventsPerPage = 2_000
const linksPerPage = 5_000

/** Bytes of payload, as the database stores them, after which a page ends: few events may hold many megabytes. */
const bytesPerPage = 1024 * 1024

/** A column's time in microseconds since 1970, as text, in SQL. */
export const microseconds = (column: string): string => `trunc(extract(epoch FROM ${column}) * 1000000)::text`

export const makeReadEvents = (sql: SqlClient.SqlClient, schema: string): ReadEvents => {
  const events = sql(`${schema}.events`)
  const columns = sql.literal(`position::float8 AS position, card_id AS "cardId", version, type,
    schema_version AS "schemaVersion", data::text AS data, commitments::text AS commitments, actor,
    correlation_id AS "correlationId", causation_id AS "causationId", command_id AS "commandId",
    ${timeText("occurred_at")} AS "occurredAt", ${timeText("recorded_at")} AS "recordedAt",
    encode(content_hash, 'hex') AS "contentHash", encode(chain_hash, 'hex') AS "chainHash"`)

  const page = (where: ReturnType<typeof sql.and>, orderColumns: string) => {
    const order = sql.literal(orderColumns)
    return sql<EventRow>`
      SELECT ${columns} FROM (
        SELECT *, sum(pg_column_size(data) + pg_column_size(commitments)) OVER (ORDER BY ${order}
          ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
        FROM (SELECT * FROM ${events} WHERE ${where} ORDER BY ${order} LIMIT ${eventsPerPage}) AS page) AS events
      WHERE bytes_before IS NULL OR bytes_before < ${bytesPerPage} ORDER BY ${sql.literal(
        orderColumns.replaceAll(/\w+/g, "events.$&")
      )}`
  }

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
    links: (after) => sql<ChainLink>`
      SELECT position::float8 AS position, card_id AS "cardId", content_hash AS "contentHash", chain_hash AS "chainHash",
        ${sql.literal(microseconds("recorded_at"))} AS "recordedAt"
      FROM ${events} WHERE position > ${BigInt(after)}::int8 ORDER BY events.position LIMIT ${linksPerPage}`
  }
}
