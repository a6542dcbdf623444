import { Option, type Result } from "effect"
import type { Card, ClaimedCard } from "../../domain/Card.ts"
import type { CardId } from "../../domain/CardId.ts"
import type { Command, IdentifiedCommand } from "../../domain/Command.ts"
import type { DecidedEvent } from "../../domain/Event.ts"
import type { Rejection } from "../../domain/Rejection.ts"

/** A completed card, and the effects of its completion on other cards. */
export interface CompletedCard extends Card {
  /** The ids of the cards that the completion made claimable. */
  readonly madeClaimable: ReadonlyArray<CardId>
  /** The card that `claimNext` claimed; null without `claimNext`, or when no card was claimable. */
  readonly next: ClaimedCard | null
}

interface OtherAnswers {
  readonly CreateMany: ReadonlyArray<Card>
  readonly Claim: Option.Option<ClaimedCard>
  readonly ClaimMany: ReadonlyArray<ClaimedCard>
  readonly Renew: ClaimedCard
  readonly Reclaim: ReadonlyArray<CardId>
  readonly Complete: CompletedCard
}

/** The answer of an accepted command: the card after the command, unless `OtherAnswers` lists another type. */
export type Answer<Tag extends Command["_tag"]> = Tag extends keyof OtherAnswers ? OtherAnswers[Tag] : Card

/** The answer of a command, or its rejection. */
export type Outcome = Result.Result<Answer<Command["_tag"]>, Rejection>

/** The answer of an accepted command, from the cards as they are after its events. */
export const answerOf = (
  command: IdentifiedCommand,
  events: ReadonlyArray<DecidedEvent>,
  madeClaimable: ReadonlyArray<CardId>,
  card: (id: CardId) => Card,
  cardWithKey: (key: string) => Card | undefined
): Answer<Command["_tag"]> => {
  const createdOrKnown = (id: CardId, key: string | null | undefined) =>
    (key == null ? undefined : cardWithKey(key)) ?? card(id)
  // The last event of each of these cards claims it.
  const claimed = () =>
    events.filter(({ event }) => event._tag === "CardClaimed").map(({ cardId }) => card(cardId) as ClaimedCard)
  switch (command._tag) {
    case "Create":
      return createdOrKnown(command.id, command.idempotencyKey)
    case "CreateMany":
      return command.cards.map((entry) => createdOrKnown(entry.id, entry.idempotencyKey))
    case "Claim":
      return Option.fromUndefinedOr(claimed()[0])
    case "ClaimMany":
      return claimed()
    case "Reclaim":
      return events.map((event) => event.cardId)
    case "Complete":
      return {
        ...card(command.id),
        madeClaimable,
        next: command.claimNext === undefined ? null : (claimed()[0] ?? null)
      }
    case "Link":
    case "Unlink":
      return card(command.from)
    default:
      return card(command.id)
  }
}
