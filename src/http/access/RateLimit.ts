/** A limit on the requests of each caller. */
export interface RateLimit {
  /** Sustained rate, in requests per second. */
  readonly perSecond: number
  /** Maximum number of requests in a burst. */
  readonly burst: number
}

const defaultRateLimit: RateLimit = { perSecond: 1000, burst: 2000 }

/** The limit to apply. Without a configured one, a server that requires tokens has the default, and any other has none. */
export const effectiveRateLimit = (
  configured: RateLimit | "none" | undefined,
  requiresToken: boolean
): RateLimit | undefined => {
  if (configured === "none") return undefined
  return configured ?? (requiresToken ? defaultRateLimit : undefined)
}

interface Bucket {
  left: number
  at: number
}

/** Maximum number of buckets. The one that was unused for longest is evicted; its caller then has a full bucket. */
const maxBuckets = 10_000

/** Makes a token bucket per caller: each request takes one, and time refills the bucket. */
export const makeTokenBuckets = ({ burst, perSecond }: RateLimit, now: () => number = () => performance.now()) => {
  const buckets = new Map<string, Bucket>()

  /** Takes one. Returns 0, or the number of seconds until there is one. */
  return (caller: string): number => {
    const at = now()
    const { at: before, left } = buckets.get(caller) ?? { at, left: burst }
    const full = Math.min(burst, left + ((at - before) / 1000) * perSecond)
    const isAllowed = full >= 1
    // Deleted and set again, so that the first bucket in the map is the one that was unused for longest.
    buckets.delete(caller)
    buckets.set(caller, { at, left: isAllowed ? full - 1 : full })
    if (buckets.size > maxBuckets) {
      const [oldest = ""] = buckets.keys()
      buckets.delete(oldest)
    }
    return isAllowed ? 0 : (1 - full) / perSecond
  }
}
