import type { Density } from "../api/types.ts"

/** The positions that the slider covers. */
export interface TimeRange {
  readonly from: number
  readonly to: number
}

/** Part of the log in the chart. */
export interface Bar {
  /** Where the part begins and how wide it is, from 0 to 1. */
  readonly start: number
  readonly width: number
  /** Events per second, and the height of the bar for it, from 0 to 1. */
  readonly rate: number
  readonly height: number
  readonly from: number
  readonly to: number
  readonly endedAt: string
}

/** Shorter times are this long, in milliseconds: one clock tick can contain many events. */
const minMillis = 1

/**
 * Returns the bars of a density. A part lasts from the last event of the part before it, so that a pause belongs to the part that
 * ends it. Heights are logarithmic: an import is some thousand times as fast as people.
 */
export const barsOf = ({ buckets, from, to }: Density): ReadonlyArray<Bar> => {
  const count = Math.max(1, to - from + 1)
  const rates = buckets.map((bucket, index) => {
    const before = buckets[index - 1]
    const startedAt = Date.parse(before?.endedAt ?? bucket.startedAt)
    const events = bucket.to - bucket.from + (before === undefined ? 0 : 1)
    return (Math.max(events, 1) * 1000) / Math.max(minMillis, Date.parse(bucket.endedAt) - startedAt)
  })
  const slowest = Math.log(Math.min(...rates))
  const span = Math.log(Math.max(...rates)) - slowest
  return buckets.map((bucket, index) => {
    const rate = rates[index] ?? 0
    return {
      from: bucket.from,
      to: bucket.to,
      endedAt: bucket.endedAt,
      start: (bucket.from - from) / count,
      width: (bucket.to - bucket.from + 1) / count,
      rate,
      height: span === 0 ? 0.5 : 0.06 + (0.94 * (Math.log(rate) - slowest)) / span
    }
  })
}

/** A place of the chart where a new day begins, by the reader's clock. */
export interface DayMark {
  /** From 0 to 1. */
  readonly start: number
  readonly at: string
}

/** The smallest distance between two marks. */
const minDistance = 0.1

/** Returns where days begin: to the part of the log in which they do. Leaves out marks that are too near to the one before. */
export const dayMarks = (bars: ReadonlyArray<Bar>): ReadonlyArray<DayMark> => {
  const marks: Array<DayMark> = []
  for (const [index, bar] of bars.entries()) {
    const before = bars[index - 1]
    if (before === undefined || dayOf(before.endedAt) === dayOf(bar.endedAt)) continue
    const last = marks.at(-1)
    const isApart = bar.start - (last?.start ?? 0) >= minDistance && bar.start <= 1 - minDistance
    if (isApart) marks.push({ start: bar.start, at: bar.endedAt })
  }
  return marks
}

const dayOf = (iso: string): string => new Date(iso).toDateString()

/** Returns the last millisecond of the day of a time, and of the day before it, by the reader's clock. */
export const dayEnds = (iso: string): { readonly own: Date; readonly before: Date } => {
  const date = new Date(iso)
  const endOf = (shift: number): Date =>
    new Date(new Date(date.getFullYear(), date.getMonth(), date.getDate() + shift).getTime() - 1)
  return { own: endOf(1), before: endOf(0) }
}

/** Returns a range around a position with a part of the length, within the log. A factor above 1 shows more of the log. */
export const zoomRange = ({ from, to }: TimeRange, factor: number, around: number, end: number): TimeRange => {
  const length = Math.min(end, Math.max(20, Math.round((to - from + 1) * factor)))
  const share = to === from ? 0.5 : (around - from) / (to - from)
  const start = Math.min(end - length + 1, Math.max(1, Math.round(around - share * (length - 1))))
  return { from: Math.max(1, start), to: Math.min(end, Math.max(1, start) + length - 1) }
}

/** Speeds of playing, in events per second. */
export const speeds: ReadonlyArray<number> = [1, 10, 100, 1_000, 10_000]

/** Returns the speed that shows a range in about half a minute. */
export const speedFor = ({ from, to }: TimeRange): number => {
  const wanted = (to - from + 1) / 30
  return speeds.findLast((speed) => speed <= wanted) ?? 1
}
