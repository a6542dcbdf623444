import { Effect, Option, Stream } from "effect"

/** The rows of every page until an empty one, each page fetched when it is asked for. */
export const pageByPage = <Place, Row, E, R>(
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
export const everyPage = <Place, Row, E, R>(
  first: Place,
  fetch: (place: Place) => Effect.Effect<ReadonlyArray<Row>, E, R>,
  placeOf: (last: Row) => Place
): Stream.Stream<Row, E, R> => Stream.bufferArray(pageByPage(first, fetch, placeOf), { capacity: 4 })
