import { now } from "../api/serverClock.ts"
import { CardLink } from "../components/CardLink.tsx"
import { ClaimabilityMark } from "../components/Claimability.tsx"
import { formatDuration } from "../components/durations.ts"
import { Countdown, exactTime, LocalTime } from "../components/Times.tsx"
import { query } from "../search/currentSearch.ts"
import { addCondition } from "../search/parseSearch.ts"
import { hrefTo } from "../shell/location.ts"
import type { ListedClaim } from "./loadClaims.ts"

/** A claim: who holds which card, since when, until when, and what they last wrote. */
export const ClaimRow = ({
  atMillis,
  claim,
  count,
  row,
  top
}: {
  readonly claim: ListedClaim
  /** The time of the past moment, in milliseconds since 1970; `undefined` for now. */
  readonly atMillis: number | undefined
  /** The place of the claim in the list: 1, 2, 3 … */
  readonly row: number
  /** The length of the list; -1 if it is not known. */
  readonly count: number
  readonly top: number
}) => {
  const millis = atMillis ?? now.value
  const isExpired = Date.parse(claim.expiresAt) <= millis
  const elapsed = (millis - Date.parse(claim.claimedAt)) / 1000
  const left = Math.max(0, Math.min(1, (Date.parse(claim.expiresAt) - millis) / (claim.ttlSeconds * 1000)))
  return (
    <li
      class={`claim-row ${isExpired ? "expired" : "claimed"}`}
      aria-posinset={row}
      aria-setsize={count}
      style={{ transform: `translateY(${top}px)` }}
    >
      <span class="claim-owner">
        <a dir="auto" href={hrefTo({ parameters: { q: addCondition(query.value, "owner", claim.owner) } })}>
          {claim.owner}
        </a>
      </span>
      <span class="claim-card">
        <CardLink id={claim.id} title={claim.title} />
      </span>
      <span class="claim-elapsed" title={`Claimed at ${exactTime(claim.claimedAt)}`}>
        <span class="visually-hidden">Elapsed </span>
        {formatDuration(elapsed)}
      </span>
      <span class="claim-lease">
        <span class="visually-hidden">Lease </span>
        {isExpired ? (
          <ClaimabilityMark kind="expired" word="expired" />
        ) : (
          <meter value={left} title={`Lease of ${formatDuration(claim.ttlSeconds)}`}>
            {Math.round(left * 100)} %
          </meter>
        )}
        {atMillis === undefined ? <Countdown until={claim.expiresAt} /> : <LocalTime at={claim.expiresAt} />}
      </span>
      <span class="claim-attempt">
        <span class="visually-hidden">Attempt </span>
        {claim.attempt}
        {claim.renewals !== undefined && claim.renewals > 0 && (
          <span class="hint"> · {claim.renewals === 1 ? "1 renewal" : `${claim.renewals} renewals`}</span>
        )}
      </span>
      <span class="claim-note">
        <span class="visually-hidden">Last note </span>
        {claim.lastNote === null ? (
          <span class="hint">no note</span>
        ) : (
          <>
            <span dir="auto">{claim.lastNote.text.slice(0, 300)}</span>{" "}
            <span class="hint">
              <LocalTime at={claim.lastNote.at} />
            </span>
          </>
        )}
      </span>
    </li>
  )
}
