import { now } from "../api/serverClock.ts"
import { formatBriefDuration, formatDuration } from "./durations.ts"

/** Creates a format when it is used first: it takes some milliseconds, which would delay the first paint. */
const makeOnce = <A,>(make: () => A): (() => A) => {
  let made: A | undefined
  return () => (made ??= make())
}

const dateTime = makeOnce(() => new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" }))
const timeOnly = makeOnce(() => new Intl.DateTimeFormat(undefined, { timeStyle: "medium" }))
const exact = makeOnce(() => new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" }))
const numbers = makeOnce(() => new Intl.NumberFormat())

/** Formats a number with the reader's separators. */
export const formatNumber = (value: number): string => numbers().format(value)

/** Returns the exact time, local and in UTC, for a tooltip. */
export const exactTime = (iso: string): string => `${exact().format(new Date(iso))} · ${iso}`

/** A time of the reader's clock: today's without the date. The exact time is in the tooltip. */
export const LocalTime = ({ at }: { readonly at: string }) => {
  const date = new Date(at)
  const isToday = date.toDateString() === new Date(now.value).toDateString()
  return (
    <time dateTime={at} title={exactTime(at)}>
      {isToday ? timeOnly().format(date) : dateTime().format(date)}
    </time>
  )
}

/** How long ago a time was, or how long it is until then, by the server's clock. The exact time is in the tooltip. */
export const Ago = ({ at, isBrief = false }: { readonly at: string; readonly isBrief?: boolean }) => {
  const seconds = (now.value - Date.parse(at)) / 1000
  const text = (isBrief ? formatBriefDuration : formatDuration)(Math.abs(seconds))
  // What has just happened can seem to be in the future, because the server's clock is known to about a second.
  const isPast = seconds > -1.5
  return (
    <time dateTime={at} title={exactTime(at)}>
      {isPast ? `${text} ago` : `in ${text}`}
    </time>
  )
}

/** The time that remains until a lease expires, by the server's clock. Afterwards, how long ago that was. */
export const Countdown = ({ isBrief = false, until }: { readonly until: string; readonly isBrief?: boolean }) => {
  const format = isBrief ? formatBriefDuration : formatDuration
  const seconds = (Date.parse(until) - now.value) / 1000
  return (
    <time dateTime={until} title={exactTime(until)} class={seconds < 60 ? "soon" : ""}>
      {seconds > 0 ? format(seconds) : `${format(-seconds)} ago`}
    </time>
  )
}
