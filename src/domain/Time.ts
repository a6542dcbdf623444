import { DateTime } from "effect"

/** Adds seconds to a time. Memoizes the last result, because the leases of a batch expire together. */
export const addSeconds = (time: DateTime.Utc, seconds: number): DateTime.Utc => {
  const millis = time.epochMilliseconds + seconds * 1000
  return lastSum.epochMilliseconds === millis ? lastSum : (lastSum = DateTime.makeUnsafe(millis))
}

let lastSum = DateTime.makeUnsafe(0)

/** Formats a time as ISO-8601 in UTC with milliseconds. Memoizes two times: most times of a batch are now or one expiry. */
export const formatTime = (time: DateTime.Utc): string => {
  const millis = time.epochMilliseconds
  if (millis === last.millis) return last.text
  if (millis === beforeLast.millis) return beforeLast.text
  beforeLast = last
  last = { millis, text: new Date(millis).toISOString() }
  return last.text
}

let last = { millis: Number.NaN, text: "" }
let beforeLast = last
