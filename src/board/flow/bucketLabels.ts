import type { Flow } from "../api/types.ts"

const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" })
const dayAndTime = new Intl.DateTimeFormat(undefined, {
  day: "numeric",
  month: "short",
  hour: "numeric",
  minute: "2-digit"
})

/** Returns the local time of a bucket in words. A bucket that begins at midnight, and lasts for days, is its day. */
export const formatBucket = (
  { endsAt, startsAt }: Pick<Flow["buckets"][number], "startsAt" | "endsAt">,
  size: Flow["bucket"]
): string => {
  const start = new Date(startsAt)
  const end = new Date(endsAt)
  // The end is exclusive.
  const last = new Date(end.getTime() - 1)
  const isWhole = isMidnight(start) && isMidnight(end)
  if (size === "day" && isWhole) return day.format(start)
  if (size === "week" && isWhole) return day.formatRange(start, last)
  return dayAndTime.formatRange(start, end)
}

const isMidnight = (time: Date): boolean => time.getHours() === 0 && time.getMinutes() === 0 && time.getSeconds() === 0
