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
  row,
  top
}: {
  readonly claim: ListedClaim
  /** The time of the past moment, in milliseconds since 1970; `undefined` for now. */
  readonly atMillis: number | undefined
  readonly row: number
  readonly top: number
}) => {
  const millis = atMillis ?? now.value
  const isExpired = Date.parse(claim.expiresAt) <= millis
  const elapsed = (millis - Date.parse(claim.claimedAt)) / 1000
  const left = Math.max(0, Math.min(1, (Date.parse(claim.expiresAt) - millis) / (claim.ttlSeconds * 1000)))
  return (
    <div
      class={`claim-row ${isExpired ? "expired" : "claimed"}`}
      role="row"
      aria-rowindex={row}
      style={{ transform: `translateY(${top}px)` }}
    >
      <span role="cell" class="claim-owner">
        <a dir="auto" href={hrefTo({ parameters: { q: addCondition(query.value, "owner", claim.owner) } })}>
          {claim.owner}
        </a>
      </span>
      <span role="cell" class="claim-card">
        <CardLink id={claim.id} title={claim.title} />
      </span>
      <span role="cell" class="claim-elapsed" title={`Claimed at ${exactTime(claim.claimedAt)}`}>
        {formatDuration(elapsed)}
      </span>
      <span role="cell" class="claim-lease">
        {isExpired ? (
          <ClaimabilityMark kind="expired" word="expired " />
        ) : (
          <meter value={left} title={`Lease of ${formatDuration(claim.ttlSeconds)}`}>
            {Math.round(left * 100)} %
          </meter>
        )}
        {atMillis === undefined ? <Countdown until={claim.expiresAt} /> : <LocalTime at={claim.expiresAt} />}
      </span>
      <span role="cell" class="claim-attempt">
        {claim.attempt}
        {claim.renewals !== undefined && claim.renewals > 0 && (
          <span class="hint"> · {claim.renewals === 1 ? "1 renewal" : `${claim.renewals} renewals`}</span>
        )}
      </span>
      <span role="cell" class="claim-note">
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
    </div>
  )
}
