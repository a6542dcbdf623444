import { getJson, getLines } from "../api/request.ts"
import type { LoadPage } from "../api/pages.ts"
import type { ActiveClaim, Card } from "../api/types.ts"

/** A claim in the list. The renewals of a past claim are not known without the history of its card. */
export type ListedClaim = Omit<ActiveClaim, "renewals"> & { readonly renewals: number | undefined }

/**
 * Returns the function that reads the pages of the claims: now, the one that expires first at the beginning, or as of a past
 * position, in the claim order.
 */
export const loadClaims = (
  owner: string | undefined,
  at: { readonly position: number; readonly millis: number } | undefined
): LoadPage<ListedClaim> =>
  at === undefined
    ? (last, limit, ended) =>
        getJson<ReadonlyArray<ActiveClaim>>(
          "claims",
          { owner, limit, after: last?.id, afterExpiresAt: last?.expiresAt },
          ended
        )
    : async (last, limit, ended) => {
        const cards = await getLines<Card>(
          "backlog-at/cards",
          { position: at.position, status: "claimed", owner, limit, after: last?.id },
          { signal: ended }
        )
        return cards.map((card) => toClaim(card, at.millis))
      }

const toClaim = (card: Card, millis: number): ListedClaim => {
  const expiresAt = card.claimExpiresAt ?? card.updatedAt
  return {
    id: card.id,
    title: card.title,
    phase: card.phase,
    labels: card.labels,
    priority: card.priority,
    owner: card.claimOwner ?? "",
    token: card.claimToken ?? 0,
    ttlSeconds: card.claimTtlSeconds ?? 0,
    claimedAt: card.claimedAt ?? card.updatedAt,
    expiresAt,
    expired: Date.parse(expiresAt) <= millis,
    attempt: card.attempts,
    renewals: undefined,
    lastNote: card.lastNote
  }
}
