import { Effect, Option, Stream } from "effect"

/**
 * The rows of every page until an empty one. The next page is fetched while one is looked at, so that the database and
 * this program work at the same time; no more than three pages are held.
 */
export const everyPage = <Place, Row, E, R>(
  first: Place,
  fetch: (place: Place) => Effect.Effect<ReadonlyArray<Row>, E, R>,
  placeOf: (last: Row) => Place
): Stream.Stream<Row, E, R> =>
  Stream.bufferArray(
    Stream.paginate(first, (place) =>
      Effect.map(fetch(place), (rows) => {
        const last = rows.at(-1)
        return [rows, last === undefined ? Option.none<Place>() : Option.some(placeOf(last))] as const
      })
    ),
    { capacity: 1 }
  )
