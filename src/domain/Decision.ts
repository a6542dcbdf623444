import { type DateTime, Result } from "effect"
import type { Card } from "./Card.ts"
import type { CardId } from "./CardId.ts"
import type { DecidedEvent, Event } from "./Event.ts"
import { CardNotFound, type Rejection } from "./Rejection.ts"

/**
 * What a decision may know of the backlog: facts that the caller has loaded and locked. It must hold every card that
 * the command names, and for the edges that the command would add everything that can be reached from them.
 */
export interface BacklogView {
  /** The generation that new claims get. */
  readonly generation: number
  readonly card: (id: CardId) => Card | undefined
  readonly cardWithKey: (idempotencyKey: string) => Card | undefined
  /** Whether a card exists and is done, as the cards that depend on it ask. */
  readonly isDone: (id: CardId) => boolean
  /** Whether a card exists, as a new link to it asks. */
  readonly exists: (id: CardId) => boolean
  /** How many of a card's dependencies are not done, or do not exist. */
  readonly unmetDependencies: (id: CardId) => number
  readonly dependenciesOf: (id: CardId) => ReadonlyArray<CardId>
  /** Whether any card depends on this one. */
  readonly hasDependents: (id: CardId) => boolean
  /** Cards that a claim may choose from, in claim order, those whose claim has run out among them. */
  readonly claimCandidates: (now: DateTime.Utc) => Iterable<Card>
  /** Cards whose claim has run out, by id. */
  readonly expiredClaims: (now: DateTime.Utc) => ReadonlyArray<Card>
}

/** What a claim of the best card looks at. */
export type ClaimView = Pick<BacklogView, "generation" | "claimCandidates" | "expiredClaims" | "unmetDependencies">

/** What a command leads to: events, in order, or the rule that refuses it. No events means "already so". */
export type Decision = Result.Result<ReadonlyArray<DecidedEvent>, Rejection>

export const noEvents: Decision = Result.succeed([])

export const oneEvent = (cardId: CardId, event: Event): Decision => Result.succeed([{ cardId, event }])

/** Decides on the card that a command names; there must be one. */
export const withCard = (backlog: BacklogView, id: CardId, decideOn: (card: Card) => Decision): Decision => {
  const card = backlog.card(id)
  return card === undefined ? Result.fail(new CardNotFound({ id })) : decideOn(card)
}
