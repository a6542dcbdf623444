import { Result } from "effect"
import type { BacklogView, ClaimView } from "./BacklogView.ts"
import type { Card } from "./Card.ts"
import type { CommandOf } from "./Command.ts"
import { alreadySo, type Decision, one } from "./Decision.ts"
import { claimLost, claimOn, endedClaim } from "./HeldClaim.ts"
import { copyOf } from "./Json.ts"
import { CardIsClaimed, CardIsDone } from "./Rejection.ts"

export const block = (card: Card, command: CommandOf<"Block">): Decision => {
  const reason = command.reason ?? null
  if (card.status === "done") return Result.fail(new CardIsDone({ id: card.id }))
  if (card.status === "blocked" && card.blockedReason === reason) return alreadySo
  return one(card.id, { _tag: "CardBlocked", reason, endedClaim: endedClaim(card) })
}

export const unblock = (card: Card, command: CommandOf<"Unblock">): Decision => {
  if (card.status === "done") return Result.fail(new CardIsDone({ id: card.id }))
  return card.status === "blocked" ? one(card.id, { _tag: "CardUnblocked", reason: command.reason ?? null }) : alreadySo
}

export const complete = (backlog: BacklogView, card: Card, command: CommandOf<"Complete">): Decision => {
  if (card.status === "done") return alreadySo
  const claim = claimOn(card)
  const forced = command.force === true
  if (command.token !== undefined && !forced && claim?.token !== command.token) return claimLost(card, command.token)
  if (claim !== undefined && command.token === undefined && !forced) {
    return Result.fail(new CardIsClaimed({ id: card.id, holder: claim.owner, expiresAt: claim.expiresAt }))
  }
  return one(card.id, {
    _tag: "CardCompleted",
    result: copyOf(command.result ?? null),
    overrode: card.dependsOn.filter((id) => !backlog.isDone(id)),
    forced,
    claim: endedClaim(card)
  })
}

/** The backlog as a claim sees it that comes after a card's completion. */
export const afterCompletion = (backlog: BacklogView, completed: Card): ClaimView => {
  const isOther = ({ id }: Card) => id !== completed.id
  return {
    generation: backlog.generation,
    unmetDependencies: (id) =>
      backlog.unmetDependencies(id) -
      (completed.status !== "done" && backlog.dependenciesOf(id).includes(completed.id) ? 1 : 0),
    *claimCandidates(now) {
      for (const card of backlog.claimCandidates(now)) if (isOther(card)) yield card
    },
    expiredClaims: (now) => backlog.expiredClaims(now).filter(isOther)
  }
}

export const reopen = (card: Card, command: CommandOf<"Reopen">): Decision =>
  card.status === "done" ? one(card.id, { _tag: "CardReopened", reason: command.reason ?? null }) : alreadySo
