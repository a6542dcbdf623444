import { Result } from "effect"
import type { BacklogView } from "./BacklogView.ts"
import type { Card } from "./Card.ts"
import type { CardId } from "./CardId.ts"
import { alreadySo, type Decision, one } from "./Decision.ts"
import { findPath } from "./DependencyGraph.ts"
import { DependencyCycle, DependencyNotFound, SelfDependency } from "./Rejection.ts"

export const link = (backlog: BacklogView, card: Card, dependsOn: CardId): Decision => {
  if (card.id === dependsOn) return Result.fail(new SelfDependency({ id: card.id }))
  if (card.dependsOn.includes(dependsOn)) return alreadySo
  if (!backlog.exists(dependsOn)) return Result.fail(new DependencyNotFound({ id: card.id, dependsOn }))
  const back = backlog.hasDependents(card.id)
    ? findPath([dependsOn], card.id, (id) => backlog.dependenciesOf(id))
    : undefined
  return back === undefined
    ? one(card.id, { _tag: "CardLinked", dependsOn })
    : Result.fail(new DependencyCycle({ id: card.id, dependsOn, path: [card.id, ...back] }))
}

export const unlink = (card: Card, dependsOn: CardId): Decision =>
  card.dependsOn.includes(dependsOn) ? one(card.id, { _tag: "CardUnlinked", dependsOn }) : alreadySo
