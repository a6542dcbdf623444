import { Effect, Option, Stream } from "effect"
import type { SqlClient, SqlError, Statement } from "effect/sql"

/** Streams the rows of all pages until an empty one. Fetches each page when the consumer needs it. */
export const streamPages = <Place, Row, E, R>(
  first: Place,
  fetch: (place: Place) => Effect.Effect<ReadonlyArray<Row>, E, R>,
  placeOf: (last: Row) => Place
): Stream.Stream<Row, E, R> =>
  Stream.paginate(first, (place) =>
    Effect.map(fetch(place), (rows) => {
      const last = rows.at(-1)
      return [rows, last === undefined ? Option.none<Place>() : Option.some(placeOf(last))] as const
    })
  )

/**
 * Streams the rows of all pages until an empty one. Prefetches pages while the consumer processes one, so that the database
 * and this program work at the same time; up to six pages are in memory. A consumer that stops early cancels the current
 * fetch, which aborts the transaction that it is part of.
 */
export const streamPagesAhead = <Place, Row, E, R>(
  first: Place,
  fetch: (place: Place) => Effect.Effect<ReadonlyArray<Row>, E, R>,
  placeOf: (last: Row) => Place
): Stream.Stream<Row, E, R> => Stream.bufferArray(streamPages(first, fetch, placeOf), { capacity: 4 })

/** The query of a page. */
export interface PageQuery {
  readonly from: Statement.Identifier
  readonly columns: Statement.Fragment
  readonly where: Statement.Fragment
  /** The columns of ORDER BY, as SQL. */
  readonly order: string
  /** The columns with large values. */
  readonly heavy: ReadonlyArray<string>
  /** Maximum rows of the page. */
  readonly limit: number
}

/** A page ends after this many bytes of heavy columns, as the database stores them. */
const bytesPerPage = 1024 * 1024

/**
 * Selects the next page of rows: at least one row if there are any, at most `limit` rows and about a megabyte of heavy
 * columns, because a few rows may contain many megabytes.
 */
export const selectPage = <Row extends object>(
  sql: SqlClient.SqlClient,
  { columns, from, heavy, limit, order, where }: PageQuery
): Effect.Effect<ReadonlyArray<Row>, SqlError.SqlError> => {
  const bytes = heavy.map((column) => `coalesce(pg_catalog.pg_column_size(${column}), 0)`).join(" + ")
  const inOrder = sql.literal(order)
  return sql<Row>`
    SELECT ${columns} FROM (
      SELECT *, sum(${sql.literal(bytes)}) OVER (ORDER BY ${inOrder}
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
      FROM (SELECT * FROM ${from} WHERE ${where} ORDER BY ${inOrder} LIMIT ${limit}) AS page) AS page
    WHERE bytes_before IS NULL OR bytes_before < ${bytesPerPage}
    ORDER BY ${sql.literal(order.replaceAll(/\w+/g, "page.$&"))}`
}
