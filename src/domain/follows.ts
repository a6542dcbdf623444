import type { Card } from "./Card.ts"
import type { Occurrence } from "./evolve.ts"
import { claimOn } from "./HeldClaim.ts"

/**
 * Says why an event cannot follow in the stream of a card that stands so, or `undefined` when it can. `evolve` folds
 * whatever comes; this is what no program that keeps the rules ever wrote, above all a claim on a card that is held.
 */
export const whyNotFollowing = (card: Card | undefined, { event, version }: Occurrence): string | undefined => {
  if (event._tag === "CardCreated") return card === undefined ? undefined : "the card exists already"
  if (card === undefined) return "the card does not exist yet"
  if (version !== card.version + 1) return `it follows version ${card.version}`
  const claim = claimOn(card)
  const notHeldBy = (owner: string, token: number): string | undefined =>
    claim !== undefined && claim.owner === owner && claim.token === token
      ? undefined
      : `${owner} does not hold the card with token ${token}`
  const notEnding = (ended: { readonly owner: string; readonly token: number } | null): string | undefined =>
    ended !== null ? notHeldBy(ended.owner, ended.token) : claim === undefined ? undefined : "it ends a claim unnamed"
  const unless = (holds: boolean, problem: string): string | undefined => (holds ? undefined : problem)
  switch (event._tag) {
    case "CardClaimed":
      return unless(card.status === "ready", `the card is ${card.status}`)
    case "ClaimRenewed":
    case "CardReleased":
    case "CardReclaimed":
      return notHeldBy(event.owner, event.token)
    case "CardLinked":
      return unless(
        !card.dependsOn.includes(event.dependsOn) && event.dependsOn !== card.id,
        "the edge cannot be added"
      )
    case "CardUnlinked":
      return unless(card.dependsOn.includes(event.dependsOn), "there is no such edge")
    case "CardBlocked":
      return card.status === "done" ? "the card is done" : notEnding(event.endedClaim)
    case "CardUnblocked":
      return unless(card.status === "blocked", `the card is ${card.status}`)
    case "CardCompleted":
      return card.status === "done" ? "the card is done" : notEnding(event.claim)
    case "CardReopened":
      return unless(card.status === "done", `the card is ${card.status}`)
    case "CardRedacted":
      return unless(
        event.erased.every((part) => part.version < version),
        "it erases what came later"
      )
    case "CardRevised":
      return undefined
  }
}
