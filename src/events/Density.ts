import { DateTime, Effect, Schema } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { Position } from "./RecordedEvent.ts"

/** Maximum number of parts into which `density` divides a range. */
export const maxDensityBuckets = 1000

/** The first and the last event of one part of a range, and when they were recorded. */
export const DensityBucket = Schema.Struct({
  /** The position of the first event of the part. */
  from: Position,
  /** The position of the last event of the part. */
  to: Position,
  /** When the first event was recorded. */
  startedAt: Schema.DateTimeUtcFromString,
  /** When the last event was recorded. */
  endedAt: Schema.DateTimeUtcFromString
})

/** The first and the last event of one part of a range, and when they were recorded. */
export interface DensityBucket extends Schema.Schema.Type<typeof DensityBucket> {}

/**
 * When the events of a range of positions were recorded. The range is divided into parts with equal numbers of events, up to
 * a difference of one, so a part that took little time had many events per second. A range with fewer positions than requested parts has
 * one part for each position.
 */
export const Density = Schema.Struct({
  /** The first position of the range. */
  from: Position,
  /** The last position of the range; `from - 1` if the range is empty, because the log is. */
  to: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
  buckets: Schema.Array(DensityBucket)
})

/** When the events of a range of positions were recorded. */
export interface Density extends Schema.Schema.Type<typeof Density> {}

/** A range of positions, and the number of parts into which it is divided. */
export interface DensityRange {
  readonly from: number
  readonly to: number
  readonly buckets: number
}

interface BucketRow {
  readonly from: number
  readonly to: number
  readonly startedAt: Date
  readonly endedAt: Date
}

/**
 * Makes the function that reads the density of a range of positions which the log has. It reads two entries of the index of
 * positions for each part, whatever the length of the range. Positions that a damaged log lacks are skipped.
 */
export const makeReadDensity = (sql: SqlClient.SqlClient, schema: string) => {
  const events = sql(`${schema}.events`)
  return ({ buckets, from, to }: DensityRange): Effect.Effect<Density, SqlError.SqlError> => {
    const length = to - from + 1
    const count = Math.min(buckets, length)
    if (count <= 0) return Effect.succeed({ from, to, buckets: [] })
    const start = (offset: 0 | 1) =>
      sql`${BigInt(from)}::int8 + (part + ${BigInt(offset)}::int8) * ${BigInt(length)}::int8 / ${BigInt(count)}::int8`
    return Effect.map(
      sql<BucketRow>`
        SELECT first.position::float8 AS "from", last.position::float8 AS "to", first.recorded_at AS "startedAt",
          last.recorded_at AS "endedAt"
        FROM pg_catalog.generate_series(0::int8, ${BigInt(count - 1)}::int8) AS part CROSS JOIN LATERAL (
          SELECT position, recorded_at FROM ${events} AS events WHERE events.position >= ${start(0)}
          ORDER BY events.position LIMIT 1) AS first CROSS JOIN LATERAL (
          SELECT position, recorded_at FROM ${events} AS events WHERE events.position < ${start(1)}
          ORDER BY events.position DESC LIMIT 1) AS last
        WHERE first.position <= last.position ORDER BY part`,
      (rows) => ({
        from,
        to,
        buckets: rows.map(({ endedAt, from: first, startedAt, to: last }) => ({
          from: first,
          to: last,
          startedAt: DateTime.fromDateUnsafe(startedAt),
          endedAt: DateTime.fromDateUnsafe(endedAt)
        }))
      })
    )
  }
}
