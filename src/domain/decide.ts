import { type DateTime, Result } from "effect"
import type { BacklogView } from "./BacklogView.ts"
import type { Card } from "./Card.ts"
import type { Command, CommandOf } from "./Command.ts"
import { type Decision, withCard } from "./Decision.ts"
import { claimById, claimNext, reclaimById, reclaimExpired, release, renew } from "./decideClaim.ts"
import { create } from "./decideCreate.ts"
import { link, unlink } from "./decideLink.ts"
import { revise } from "./decideRevise.ts"
import { afterCompletion, block, complete, reopen, unblock } from "./decideStatus.ts"
import { withClaim } from "./HeldClaim.ts"

/** Decides a command on the backlog as it stands at `now`, the database's clock. Pure and total. */
export const decide = (backlog: BacklogView, command: Command, now: DateTime.Utc): Decision => {
  switch (command._tag) {
    case "Create":
      return create(backlog, [command])
    case "CreateMany":
      return create(backlog, command.cards)
    case "Revise":
      return withCard(backlog, command.id, (card) => revise(card, command))
    case "Claim":
      return command.id === undefined
        ? claimNext(backlog, command, 1, now)
        : claimById(backlog, command, command.id, now)
    case "ClaimMany":
      return claimNext(backlog, command, command.limit, now)
    case "Renew":
      return withClaim(backlog, command, (card, claim) => renew(card, claim, command, now))
    case "Release":
      return withClaim(backlog, command, (card, claim) => release(card, claim, command, now))
    case "Reclaim":
      return command.id === undefined ? reclaimExpired(backlog, now) : reclaimById(backlog.card(command.id), now)
    case "Link":
      return withCard(backlog, command.from, (card) => link(backlog, card, command.to))
    case "Unlink":
      return withCard(backlog, command.from, (card) => unlink(card, command.to))
    case "Block":
      return withCard(backlog, command.id, (card) => block(card, command))
    case "Unblock":
      return withCard(backlog, command.id, (card) => unblock(card, command))
    case "Complete":
      return withCard(backlog, command.id, (card) => completeAndClaim(backlog, card, command, now))
    case "Reopen":
      return withCard(backlog, command.id, (card) => reopen(card, command))
  }
}

const completeAndClaim = (
  backlog: BacklogView,
  card: Card,
  command: CommandOf<"Complete">,
  now: DateTime.Utc
): Decision => {
  const completed = complete(backlog, card, command)
  const { claimNext: wish } = command
  return wish === undefined
    ? completed
    : Result.flatMap(completed, (events) =>
        Result.map(claimNext(afterCompletion(backlog, card), wish, 1, now), (claims) => [...events, ...claims])
      )
}
