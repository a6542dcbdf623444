import { formatBriefDuration, formatDuration } from "../components/durations.ts"
import type { ChartData } from "./charts.ts"

/** A place on an axis with its words. */
export interface Tick {
  readonly value: number
  readonly label: string
}

const numbers = new Intl.NumberFormat()

/** Formats a value of a chart for the reader. A missing value is a dash. */
export const formatValue = (unit: ChartData["unit"], value: number | null | undefined): string => {
  if (value == null) return "–"
  return unit === "count" ? numbers.format(value) : formatDuration(value)
}

const minute = 60
const hour = 60 * minute
const day = 24 * hour

/** Steps of an axis of durations, in seconds. Greater steps are multiples of 100 days. */
const durationSteps: ReadonlyArray<number> = [
  ...[1, 2, 5, 10, 15, 30].flatMap((each) => [each, each * minute]),
  ...[1, 2, 3, 6, 12].map((each) => each * hour),
  ...[1, 2, 5, 10, 20, 50, 100].map((each) => each * day)
].sort((left, right) => left - right)

/** The most steps of an axis of values. */
const maxSteps = 5

const stepOf = (unit: ChartData["unit"], max: number): number => {
  const least = max / maxSteps
  const known = unit === "seconds" ? durationSteps.find((each) => each >= least) : undefined
  if (known !== undefined) return known
  const base = unit === "seconds" ? 100 * day : 1
  const power = 10 ** Math.floor(Math.log10(Math.max(1, least / base)))
  return base * power * ([1, 2, 5].find((each) => base * power * each >= least) ?? 10)
}

/** Returns the ticks of an axis from 0 to at least the greatest value. The last tick is the end of the axis. */
export const valueTicks = (unit: ChartData["unit"], max: number): ReadonlyArray<Tick> => {
  const step = stepOf(unit, Math.max(1, max))
  const count = Math.max(1, Math.ceil(max / step))
  return Array.from({ length: count + 1 }, (_, index) => ({
    value: index * step,
    label: formatTick(unit, index * step)
  }))
}

const formatTick = (unit: ChartData["unit"], value: number): string => {
  const text = formatValue(unit, value)
  // 1h 0m is 1h, and 5m 00s is 5m.
  return unit === "seconds" && / 0+[hms]$/.test(text) ? formatBriefDuration(value) : text
}

const timeFormat = new Intl.DateTimeFormat(undefined, { timeStyle: "short" })
const dayFormat = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" })

/** A place on the time axis, in milliseconds since 1970. `day` is the day, where it is the first tick of its day. */
export interface TimeTick extends Tick {
  readonly day: string | undefined
}

/** Steps of the time axis, in milliseconds. From one day on, ticks are at local midnight. */
const timeSteps: ReadonlyArray<number> = [
  ...[1, 2, 5, 10, 15, 30].map((each) => each * minute),
  ...[1, 2, 3, 6, 12].map((each) => each * hour),
  ...[1, 2, 7, 14, 30, 60, 90, 180, 365, 3_650].map((each) => each * day)
].map((seconds) => seconds * 1000)

/** Returns the ticks of a time axis between two times, at most `most`. Words and midnights are local. */
export const timeTicks = (from: number, to: number, most: number): ReadonlyArray<TimeTick> => {
  const step = timeSteps.find((each) => (to - from) / each <= most) ?? to - from
  const isByDay = step >= day * 1000
  const ticks: Array<TimeTick> = []
  const midnight = new Date(from)
  midnight.setHours(0, 0, 0, 0)
  let shownDay: string | undefined
  for (let index = 0; ticks.length <= most; index++) {
    const date = new Date(midnight)
    if (isByDay) date.setDate(date.getDate() + index * Math.round(step / (day * 1000)))
    else date.setTime(date.getTime() + index * step)
    const value = date.getTime()
    if (!(value <= to)) break
    if (value < from) continue
    const words = dayFormat.format(date)
    ticks.push({
      value,
      label: isByDay ? words : timeFormat.format(date),
      day: isByDay || words === shownDay ? undefined : words
    })
    shownDay = words
  }
  return ticks
}
