import { type DateTime, Result } from "effect"
import type { Card } from "./Card.ts"
import type { CardId } from "./CardId.ts"
import { type BacklogView, type Decision, withCard } from "./Decision.ts"
import { ClaimLost } from "./Rejection.ts"

/** The claim on a card, without the card's other fields. */
export interface HeldClaim {
  readonly owner: string
  readonly token: number
  readonly ttlSeconds: number
  readonly expiresAt: DateTime.Utc
}

/** The claim on a card, `undefined` when the card is not claimed. */
export const currentClaim = (card: Card): HeldClaim | undefined =>
  card.status === "claimed" &&
  card.claimOwner !== null &&
  card.claimToken !== null &&
  card.claimTtlSeconds !== null &&
  card.claimExpiresAt !== null
    ? {
        owner: card.claimOwner,
        token: card.claimToken,
        ttlSeconds: card.claimTtlSeconds,
        expiresAt: card.claimExpiresAt
      }
    : undefined

/** The refusal of a token that is not the card's current one. */
export const claimLost = (card: Card, token: number): Decision =>
  Result.fail(
    new ClaimLost({ id: card.id, token, status: card.status, holder: card.claimOwner, expiresAt: card.claimExpiresAt })
  )

/** The fence: decides only if the command has the current token. Otherwise it refuses the command with `ClaimLost`. */
export const withClaim = (
  backlog: BacklogView,
  command: { readonly id: CardId; readonly token: number },
  decideOn: (card: Card, claim: HeldClaim) => Decision
): Decision =>
  withCard(backlog, command.id, (card) => {
    const claim = currentClaim(card)
    return claim === undefined || claim.token !== command.token ? claimLost(card, command.token) : decideOn(card, claim)
  })

/** The claim that an event ends, as the event records it; `null` when the card is not claimed. */
export const endedClaim = (card: Card): { readonly owner: string; readonly token: number } | null => {
  const claim = currentClaim(card)
  return claim === undefined ? null : { owner: claim.owner, token: claim.token }
}
