import { Result } from "effect"
import type { BacklogView } from "./BacklogView.ts"
import type { Card } from "./Card.ts"
import type { CardId } from "./CardId.ts"
import type { DecidedEvent, Event } from "./Event.ts"
import { CardNotFound, type Rejection } from "./Rejection.ts"

/** What a command leads to: events, in order, or the rule that refuses it. No events means "already so". */
export type Decision = Result.Result<ReadonlyArray<DecidedEvent>, Rejection>

export const alreadySo: Decision = Result.succeed([])

export const one = (cardId: CardId, event: Event): Decision => Result.succeed([{ cardId, event }])

/** Decides on the card that a command names; there must be one. */
export const withCard = (backlog: BacklogView, id: CardId, decideOn: (card: Card) => Decision): Decision => {
  const card = backlog.card(id)
  return card === undefined ? Result.fail(new CardNotFound({ id })) : decideOn(card)
}
