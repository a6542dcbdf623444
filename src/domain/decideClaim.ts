import { DateTime, Result } from "effect"
import { type Card, defaultTtlSeconds } from "./Card.ts"
import type { CardId } from "./CardId.ts"
import { isClaimable, isExpired } from "./Claimability.ts"
import type { ClaimFilter, ClaimRequest, CommandOf } from "./Command.ts"
import { noEvents, type BacklogView, type ClaimView, type Decision, oneEvent } from "./Decision.ts"
import type { DecidedEvent } from "./Event.ts"
import { currentClaim, type HeldClaim } from "./HeldClaim.ts"

const claimEvent = (generation: number, card: Card, request: ClaimRequest, now: DateTime.Utc): DecidedEvent => {
  const ttlSeconds = request.ttlSeconds ?? defaultTtlSeconds
  return {
    cardId: card.id,
    event: {
      _tag: "CardClaimed",
      owner: request.owner,
      ttlSeconds,
      expiresAt: DateTime.add(now, { seconds: ttlSeconds }),
      generation
    }
  }
}

const reclaimEvent = (card: Card, claim: HeldClaim, why: "expired" | "requested" | "restored"): DecidedEvent => ({
  cardId: card.id,
  event: { _tag: "CardReclaimed", owner: claim.owner, token: claim.token, expiresAt: claim.expiresAt, why }
})

export const claimById = (
  backlog: BacklogView,
  command: CommandOf<"Claim">,
  id: CardId,
  now: DateTime.Utc
): Decision => {
  const card = backlog.card(id)
  if (card === undefined) return noEvents
  const reclaimed = reclaimIfExpired(card, now)
  const open: Pick<Card, "status" | "notBefore"> = reclaimed.length > 0 ? { ...card, status: "ready" } : card
  return isClaimable(open, backlog.unmetDependencies(id), now)
    ? Result.succeed([...reclaimed, claimEvent(backlog.generation, card, command, now)])
    : Result.succeed(reclaimed)
}

/**
 * Claims up to `limit` cards, the best first. All expired claims are reclaimed first, so that the best card is chosen among
 * all cards without a live claim.
 */
export const claimNext = (backlog: ClaimView, request: ClaimRequest, limit: number, now: DateTime.Utc): Decision => {
  const reclaimed = backlog.expiredClaims(now).flatMap((card) => reclaimIfExpired(card, now))
  const freed = new Set(reclaimed.map((event) => event.cardId))
  const claims: Array<DecidedEvent> = []
  for (const card of backlog.claimCandidates(now)) {
    if (!matchesFilter(card, request)) continue
    const open: Pick<Card, "status" | "notBefore"> = freed.has(card.id) ? { ...card, status: "ready" } : card
    if (!isClaimable(open, backlog.unmetDependencies(card.id), now)) continue
    claims.push(claimEvent(backlog.generation, card, request, now))
    if (claims.length === limit) break
  }
  return Result.succeed([...reclaimed, ...claims])
}

const matchesFilter = ({ phase, priority }: Card, filter: ClaimFilter): boolean =>
  (filter.phase === undefined || phase === filter.phase) && priority >= (filter.minPriority ?? -Infinity)

const reclaimIfExpired = (card: Card, now: DateTime.Utc): ReadonlyArray<DecidedEvent> => {
  const claim = currentClaim(card)
  return claim !== undefined && isExpired(card, now) ? [reclaimEvent(card, claim, "expired")] : []
}

export const renew = (card: Card, claim: HeldClaim, command: CommandOf<"Renew">, now: DateTime.Utc): Decision => {
  const ttlSeconds = command.ttlSeconds ?? claim.ttlSeconds
  const expiresAt = DateTime.add(now, { seconds: ttlSeconds })
  return ttlSeconds === claim.ttlSeconds && DateTime.Equivalence(expiresAt, claim.expiresAt)
    ? noEvents
    : oneEvent(card.id, { _tag: "ClaimRenewed", owner: claim.owner, token: claim.token, ttlSeconds, expiresAt })
}

export const release = (card: Card, claim: HeldClaim, command: CommandOf<"Release">, now: DateTime.Utc): Decision =>
  oneEvent(card.id, {
    _tag: "CardReleased",
    owner: claim.owner,
    token: claim.token,
    reason: command.reason ?? null,
    notBefore:
      command.retryAfterSeconds === undefined || command.retryAfterSeconds === 0
        ? null
        : DateTime.add(now, { seconds: command.retryAfterSeconds })
  })

export const reclaimExpired = (backlog: BacklogView, now: DateTime.Utc): Decision =>
  Result.succeed(backlog.expiredClaims(now).flatMap((card) => reclaimIfExpired(card, now)))

export const reclaimById = (card: Card | undefined, now: DateTime.Utc): Decision => {
  const claim = card === undefined ? undefined : currentClaim(card)
  return card === undefined || claim === undefined
    ? noEvents
    : Result.succeed([reclaimEvent(card, claim, isExpired(card, now) ? "expired" : "requested")])
}

/** Ends the claims on cards after a restore: the log may have lost what the holders did. */
export const reclaimRestored = (cards: Iterable<Card>): ReadonlyArray<DecidedEvent> => {
  const events: Array<DecidedEvent> = []
  for (const card of cards) {
    const claim = currentClaim(card)
    if (claim !== undefined) events.push(reclaimEvent(card, claim, "restored"))
  }
  return events
}
