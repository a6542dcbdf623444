/**
 * What is known about the difference between the server's clock and this one, in milliseconds: it is between `low` and `high`.
 * A header `Date` has whole seconds, so one response leaves a second of doubt. Each further response can reduce it.
 */
export interface ClockBounds {
  readonly low: number
  readonly high: number
}

/** Nothing is known. */
export const unknownClock: ClockBounds = { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY }

/**
 * Narrows the bounds by a response: `serverMillis` is the server's time in whole seconds, and the request was on its way from
 * `sentAt` to `receivedAt` by the local clock. Bounds that contradict the response are stale, because one of the clocks was set.
 */
export const narrowBounds = (
  bounds: ClockBounds,
  serverMillis: number,
  sentAt: number,
  receivedAt: number
): ClockBounds => {
  const observed = { low: serverMillis - receivedAt, high: serverMillis + 999 - sentAt }
  const low = Math.max(bounds.low, observed.low)
  const high = Math.min(bounds.high, observed.high)
  return low <= high ? { low, high } : observed
}

/** The best estimate of the difference: what to add to the local time, in milliseconds. 0 if nothing is known. */
export const offsetOf = ({ high, low }: ClockBounds): number =>
  Number.isFinite(low) && Number.isFinite(high) ? (low + high) / 2 : 0
