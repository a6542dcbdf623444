import { useMemo } from "preact/hooks"
import { getJson } from "../api/request.ts"
import type { Neighbourhood } from "../api/types.ts"
import { type Query, useQuery } from "../api/useQuery.ts"

/** A longest chain of open cards, of which each depends on the one before. */
export type CriticalPath = Neighbourhood["cards"]

/** The critical path, and whether it is read again when the log changes. */
export interface CriticalPathQuery {
  readonly query: Query<CriticalPath>
  /** A path that takes long to compute is not read again by itself: the whole page would wait for it. */
  readonly isLive: () => boolean
}

/** A path that takes longer than this to compute is read again only on request, in milliseconds. */
const maxLiveMillis = 400

/** The types of events that can change which cards are open, how they depend on each other, or how they are shown. */
const pathEvents = /^Card(?:Created|Revised|Linked|Unlinked|Claimed|Released|Blocked|Unblocked|Completed|Reopened)$/

/** Sends the query for the critical path. `at` is the position of the past moment; `undefined` for now. */
export const useCriticalPath = (
  { label, phase }: { readonly phase: string | undefined; readonly label: string | undefined },
  at: number | undefined
): CriticalPathQuery => {
  const key = JSON.stringify([at, phase, label])
  const cost = useMemo(() => ({ millis: 0 }), [key])
  const isLive = (): boolean => at === undefined && cost.millis <= maxLiveMillis
  const query = useQuery(
    key,
    async (signal) => {
      const startedAt = performance.now()
      const path = at === undefined ? "critical-path" : "backlog-at/critical-path"
      const cards = await getJson<CriticalPath>(path, { phase, label, position: at }, signal)
      cost.millis = performance.now() - startedAt
      return cards
    },
    { isAffectedBy: at === undefined && (({ type }) => cost.millis <= maxLiveMillis && pathEvents.test(type)) }
  )
  return { query, isLive }
}
