import { DateTime, Schema } from "effect"
import { Name } from "./Text.ts"

/** The size of the buckets of `flow`. They begin at full minutes, full hours, midnight UTC, or on Mondays at midnight UTC. */
export const FlowBucketSize = Schema.Literals(["minute", "hour", "day", "week"])

/** The size of the buckets of `flow`. */
export type FlowBucketSize = typeof FlowBucketSize.Type

/** The property by which `flow` groups its figures. */
export const FlowGrouping = Schema.Literals(["phase", "label", "owner"])

/** The property by which `flow` groups its figures. */
export type FlowGrouping = typeof FlowGrouping.Type

/**
 * A distribution of times in seconds: their number and percentiles. A percentile is the smallest of the times such that at least
 * that share of them is not greater. The percentiles are null if there are no times.
 */
export const FlowTimes = Schema.Struct({
  count: Schema.Int,
  p50: Schema.NullOr(Schema.Finite),
  p90: Schema.NullOr(Schema.Finite),
  p99: Schema.NullOr(Schema.Finite)
})

/** A distribution of times in seconds. */
export interface FlowTimes extends Schema.Schema.Type<typeof FlowTimes> {}

/**
 * The figures of a range of time. Every figure counts events of the log by `recordedAt`, so the figures of a past range do not
 * change.
 *
 * - `created`: cards (`CardCreated`), also those that were created as blocked or done.
 * - `claimed`: claims (`CardClaimed`). A card that is claimed twice counts twice. Renewals do not count.
 * - `completed`: completions (`CardCompleted`), with or without a claim. A card that is reopened and completed again counts twice. A
 *   card that was created as done does not count.
 * - `failed`: attempts that ended without a result: a release with a retry time (`CardReleased` with `notBefore`), or a block that
 *   ended a claim (`CardBlocked` with `endedClaim`), as after the last of `maxAttempts`. A release without a retry time returns
 *   the card, and does not count.
 * - `expired`: claims that were reclaimed after their lease expired (`CardReclaimed` with `why: "expired"`), when that was recorded.
 *   Claims that were reclaimed on request or after a restore do not count. No attempt is in both `failed` and `expired`.
 * - `leadTime`: for each completion, the time since the card was created: from its `createdAt`, which an import sets to the time
 *   in the other system, to the completion.
 * - `cycleTime`: for each completion of a card that was claimed before, the time since the card's first claim.
 */
const figures = {
  created: Schema.Int,
  claimed: Schema.Int,
  completed: Schema.Int,
  failed: Schema.Int,
  expired: Schema.Int,
  leadTime: FlowTimes,
  cycleTime: FlowTimes
}

/** The figures of one bucket: from `startsAt`, inclusive, to `endsAt`, exclusive. */
export const FlowBucket = Schema.Struct({
  startsAt: Schema.DateTimeUtcFromString,
  endsAt: Schema.DateTimeUtcFromString,
  ...figures
})

/** The figures of one bucket. */
export interface FlowBucket extends Schema.Schema.Type<typeof FlowBucket> {}

/**
 * The figures of one group. `group` is null for cards without a phase or label, and for events without an owner. `buckets` omits
 * those without events. `readyAge` is the age of the group's ready cards, in seconds.
 */
export const FlowGroup = Schema.Struct({
  group: Schema.NullOr(Name),
  ...figures,
  readyAge: FlowTimes,
  buckets: Schema.Array(FlowBucket)
})

/** The figures of one group. */
export interface FlowGroup extends Schema.Schema.Type<typeof FlowGroup> {}

/**
 * How cards flow through the backlog from `startsAt`, inclusive, to `endsAt`, exclusive.
 *
 * - The figures are those of the whole range. `buckets` divides the range. The first and the last bucket end with the range.
 * - `readyAge` is the age of the cards that are ready now, not at `endsAt`: the time since their `createdAt`, in seconds.
 * - `position` is that of the last event before `endsAt`.
 * - `groups` are the groups with the most events, the largest first. `omittedGroups` is the number of other groups. The
 *   figures of the whole range and of its buckets include them.
 */
export const Flow = Schema.Struct({
  startsAt: Schema.DateTimeUtcFromString,
  endsAt: Schema.DateTimeUtcFromString,
  bucket: FlowBucketSize,
  by: Schema.NullOr(FlowGrouping),
  position: Schema.Int,
  ...figures,
  readyAge: FlowTimes,
  buckets: Schema.Array(FlowBucket),
  groups: Schema.Array(FlowGroup),
  omittedGroups: Schema.Int
})

/** How cards flow through the backlog. */
export interface Flow extends Schema.Schema.Type<typeof Flow> {}

/** Maximum number of buckets of a range. */
export const maxFlowBuckets = 1000

const day = 24 * 60 * 60 * 1000

const sizes: Readonly<Record<FlowBucketSize, number>> = { minute: 60_000, hour: 3_600_000, day, week: 7 * day }

/** The first Monday of 1970, at midnight. */
const monday = 4 * day

/** The buckets of a range. */
export interface FlowRange {
  readonly from: DateTime.Utc
  readonly to: DateTime.Utc
  readonly bucket: FlowBucketSize
}

/** The number of the bucket of a time, in milliseconds since 1970, counted from a Monday. */
const bucketNumber = (bucket: FlowBucketSize, time: number): number => Math.floor((time - monday) / sizes[bucket])

/** The number of buckets that a range has. */
export const countFlowBuckets = ({ bucket, from, to }: FlowRange): number =>
  DateTime.isGreaterThanOrEqualTo(from, to)
    ? 0
    : bucketNumber(bucket, DateTime.toEpochMillis(to) - 1) - bucketNumber(bucket, DateTime.toEpochMillis(from)) + 1

/** The number of the bucket of a time within a range, from 0. A time outside of the range is in the first or last one. */
export const bucketIndex = ({ bucket, from, to }: FlowRange): ((time: number) => number) => {
  const first = bucketNumber(bucket, DateTime.toEpochMillis(from))
  const last = Math.max(0, countFlowBuckets({ bucket, from, to }) - 1)
  return (time) => Math.max(0, Math.min(last, bucketNumber(bucket, time) - first))
}

/** The start and the end of one bucket of a range. */
export const bucketBounds = (range: FlowRange, index: number): Pick<FlowBucket, "startsAt" | "endsAt"> => {
  const number = bucketNumber(range.bucket, DateTime.toEpochMillis(range.from)) + index
  const size = sizes[range.bucket]
  return {
    startsAt: DateTime.makeUnsafe(Math.max(DateTime.toEpochMillis(range.from), monday + number * size)),
    endsAt: DateTime.makeUnsafe(Math.min(DateTime.toEpochMillis(range.to), monday + (number + 1) * size))
  }
}

/** The distribution of lists of times in milliseconds. */
export const distributionOf = (lists: ReadonlyArray<ReadonlyArray<number>>): FlowTimes => {
  const sorted = new Float64Array(lists.reduce((length, list) => length + list.length, 0))
  let offset = 0
  for (const list of lists) {
    sorted.set(list, offset)
    offset += list.length
  }
  sorted.sort()
  const percentile = (share: number) => {
    const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]
    return value === undefined ? null : value / 1000
  }
  return { count: sorted.length, p50: percentile(0.5), p90: percentile(0.9), p99: percentile(0.99) }
}
