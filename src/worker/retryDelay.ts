import { Effect, Random } from "effect"

/** When to try again after a number of attempts that failed. */
export interface RetryTimes {
  readonly retryAfterSeconds: number
  readonly maxRetryAfterSeconds: number
}

/**
 * In how many whole seconds to try again after the attempt with a number, 1 for the first: each time twice as long, up to
 * a bound, and of that between a half and all, so that cards that failed together do not come back together.
 */
export const retryDelay = (
  attempt: number,
  { maxRetryAfterSeconds, retryAfterSeconds }: RetryTimes
): Effect.Effect<number> => {
  const whole = Math.min(maxRetryAfterSeconds, retryAfterSeconds * 2 ** (attempt - 1))
  return Effect.map(Random.nextBetween(0.5, 1), (part) => Math.ceil(whole * part))
}
