/** How often each caller may ask. */
export interface RateLimit {
  /** Requests in a second, in the long run. */
  readonly perSecond: number
  /** Requests at once, after a time of quiet. */
  readonly burst: number
}

const defaultRateLimit: RateLimit = { perSecond: 1000, burst: 2000 }

/** How often each caller may ask: as told, and else where callers must show a token not without a limit. */
export const effectiveRateLimit = (
  told: RateLimit | "none" | undefined,
  requiresToken: boolean
): RateLimit | undefined => {
  if (told === "none") return undefined
  return told ?? (requiresToken ? defaultRateLimit : undefined)
}

interface Bucket {
  left: number
  at: number
}

/** How many callers are remembered: who was quiet for longest is forgotten, and has a full bucket again. */
const maxBuckets = 10_000

/** A bucket for each caller, from which every request takes one and which time fills again. */
export const makeTokenBuckets = ({ burst, perSecond }: RateLimit, now: () => number = () => performance.now()) => {
  const buckets = new Map<string, Bucket>()

  /** Takes one; answers 0, or in how many seconds there will be one. */
  return (caller: string): number => {
    const at = now()
    const { at: before, left } = buckets.get(caller) ?? { at, left: burst }
    const full = Math.min(burst, left + ((at - before) / 1000) * perSecond)
    const isAllowed = full >= 1
    // Taken out and put in again, so that the first in the map is the one that was quiet for longest.
    buckets.delete(caller)
    buckets.set(caller, { at, left: isAllowed ? full - 1 : full })
    if (buckets.size > maxBuckets) {
      const [oldest = ""] = buckets.keys()
      buckets.delete(oldest)
    }
    return isAllowed ? 0 : (1 - full) / perSecond
  }
}
