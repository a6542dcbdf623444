import { effect } from "@preact/signals"
import { useEffect, useMemo, useRef } from "preact/hooks"
import { keepLive, type Refreshable, refreshSoon } from "../api/live.ts"
import { makePages, maxLoaded, type Pages } from "../api/pages.ts"
import { getJson } from "../api/request.ts"
import { serverNow } from "../api/serverClock.ts"
import type { BacklogAt, Stats } from "../api/types.ts"
import { useQuery } from "../api/useQuery.ts"
import { Answered, FailureNotice, Loading, Notice, StaleLine } from "../components/Condition.tsx"
import { formatNumber } from "../components/Times.tsx"
import { useVirtualList } from "../components/useVirtualList.ts"
import { search } from "../search/currentSearch.ts"
import { isEveryCard } from "../search/parseSearch.ts"
import { hrefTo, moment } from "../shell/location.ts"
import { useNarrow } from "../shell/useNarrow.ts"
import { ClaimRow } from "./ClaimRow.tsx"
import { type ListedClaim, loadClaims } from "./loadClaims.ts"

/** Every claim with its owner and card, expired claims first. */
const ClaimsView = () => {
  const at = moment.value
  return at === undefined ? <PresentClaims /> : <PastClaims key={at} at={at} />
}

const PresentClaims = () => {
  const stats = useQuery("stats", (signal) => getJson<Stats>("stats", {}, signal))
  return (
    <Answered query={stats} what="the claims">
      {({ counts, expiredClaimCount }) => <Claims count={counts.claimed} expired={expiredClaimCount} at={undefined} />}
    </Answered>
  )
}

const PastClaims = ({ at }: { readonly at: number }) => {
  const past = useQuery(`backlog-at ${at}`, (signal) => getJson<BacklogAt>("backlog-at", { position: at }, signal), {
    isAffectedBy: false
  })
  return (
    <Answered query={past} what={`the claims as of position ${at}`}>
      {({ stats, time }) => (
        <Claims
          count={stats.counts.claimed}
          expired={stats.expiredClaimCount}
          at={{ position: at, millis: Date.parse(time) }}
        />
      )}
    </Answered>
  )
}

type ClaimsMoment = { readonly position: number; readonly millis: number } | undefined

/** The types of events that begin, change or end a claim, or add a note. */
const claimEvents = /^(?:CardClaimed|ClaimRenewed|CardReleased|CardReclaimed|CardBlocked|CardCompleted|CardNoted)$/

const useClaims = (owner: string | undefined, at: ClaimsMoment): Pages<ListedClaim> => {
  const pages = useMemo(() => makePages(loadClaims(owner, at)), [owner, at?.position, at?.millis])
  useEffect(() => {
    void pages.refresh()
    if (at !== undefined) return pages.close
    const part: Refreshable = { refresh: pages.refresh, isAffectedBy: ({ type }) => claimEvents.test(type) }
    const end = keepLive(part)
    // A lease that expires is no event.
    let timer: ReturnType<typeof setTimeout> | undefined
    const endTimer = effect(() => {
      clearTimeout(timer)
      const next = pages.items.value.find(({ expired }) => !expired)
      if (next === undefined) return
      const millis = Math.max(250, Date.parse(next.expiresAt) - serverNow())
      timer = setTimeout(() => refreshSoon(part), Math.min(2 ** 31 - 1, millis))
    })
    return () => {
      clearTimeout(timer)
      endTimer()
      end()
      pages.close()
    }
  }, [pages])
  return pages
}

const Claims = ({
  at,
  count,
  expired
}: {
  readonly count: number
  readonly expired: number
  readonly at: ClaimsMoment
}) => {
  const asked = search.value
  const isNarrow = useNarrow()
  const pages = useClaims(asked.owner, at)
  const scroller = useRef<HTMLDivElement>(null)
  const claims = pages.items.value
  const rowHeight = isNarrow ? 104 : 54
  const { end, first, height, topOf } = useVirtualList({ scroller, count: claims.length, heights: rowHeight })
  useEffect(() => pages.show(first, end - 1), [pages, first, end, claims.length])
  const failure = pages.failure.value
  const total = asked.owner === undefined ? count : pages.isComplete.value ? claims.length : undefined
  return (
    <div class="claims">
      <p class="view-line" role="status">
        <b>{formatNumber(count)}</b> {count === 1 ? "claim" : "claims"}
        {expired > 0 && (
          <>
            , <b class="expired-count">{formatNumber(expired)} expired</b>
          </>
        )}
        {at !== undefined && ", in claim order"}
        {asked.owner !== undefined && `; showing those of ${asked.owner}`}
        {!isEveryCard({ ...asked, owner: undefined }) && ". Only the condition owner: applies to claims"}
      </p>
      <div class="claim-row claim-head" aria-hidden="true">
        {["Owner", "Card", "Elapsed", "Lease", "Attempt", "Last note"].map((each) => (
          <span key={each}>{each}</span>
        ))}
      </div>
      {failure !== undefined && claims.length > 0 && <StaleLine failure={failure} />}
      <div class="claim-list" ref={scroller}>
        {!pages.isLoaded.value &&
          (failure === undefined ? (
            <Loading what="the claims" />
          ) : (
            <FailureNotice failure={failure} onRetry={pages.refresh} />
          ))}
        {pages.isLoaded.value && claims.length === 0 && <NoClaims owner={asked.owner} isPast={at !== undefined} />}
        <ul class="claim-rows" aria-label="Claims" style={{ height: `${height}px` }}>
          {claims.slice(first, end).map((claim, index) => (
            <ClaimRow
              key={claim.id}
              claim={claim}
              top={topOf(first + index)}
              row={first + index + 1}
              count={total ?? -1}
              atMillis={at?.millis}
            />
          ))}
        </ul>
        {!pages.isComplete.value && claims.length > 0 && (
          <p class="column-end">
            Showing {formatNumber(claims.length)}
            {total !== undefined && ` of ${formatNumber(total)}`}.{" "}
            {claims.length >= maxLoaded ? "Search for an owner to find others." : "Scroll for more."}
          </p>
        )}
      </div>
    </div>
  )
}

const NoClaims = ({ isPast, owner }: { readonly owner: string | undefined; readonly isPast: boolean }) => {
  if (owner !== undefined) {
    return (
      <Notice
        icon="claims"
        title={isPast ? "This owner held no card" : "This owner holds no card"}
        action={<a href={hrefTo({ parameters: { q: undefined } })}>Show all claims</a>}
      >
        <bdi>{owner}</bdi>
      </Notice>
    )
  }
  return isPast ? (
    <Notice icon="claims" title="No card was claimed" />
  ) : (
    <Notice icon="claims" title="No card is claimed">
      A worker claims a card with <code>backlog claim --owner NAME</code>.
    </Notice>
  )
}

export default ClaimsView
