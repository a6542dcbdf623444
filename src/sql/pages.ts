import { Effect, Option, Stream } from "effect"
import type { SqlClient, SqlError, Statement } from "effect/sql"

/** The rows of every page until an empty one, each page fetched when it is asked for. */
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
 * The rows of every page until an empty one. The next pages are fetched while one is looked at, so that the database
 * and this program work at the same time; no more than six pages are held. Whoever stops reading cancels a fetch that is
 * under way, which aborts the transaction that it is part of.
 */
export const streamPagesAhead = <Place, Row, E, R>(
  first: Place,
  fetch: (place: Place) => Effect.Effect<ReadonlyArray<Row>, E, R>,
  placeOf: (last: Row) => Place
): Stream.Stream<Row, E, R> => Stream.bufferArray(streamPages(first, fetch, placeOf), { capacity: 4 })

/** What a page is of. Names and columns are SQL; `order` is a list of columns. */
export interface PageQuery {
  readonly from: Statement.Identifier
  readonly columns: Statement.Fragment
  readonly where: Statement.Fragment
  readonly order: string
  /** The columns that may hold much. */
  readonly heavy: ReadonlyArray<string>
  /** The most rows. */
  readonly limit: number
}

/** Bytes of heavy columns, as the database stores them, after which a page ends. */
const bytesPerPage = 1024 * 1024

/**
 * The next rows in an order: at least one if there are any, then as many as the limit allows and do not hold much,
 * since few rows may hold many megabytes.
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
