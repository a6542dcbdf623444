import { type DateTime, Result } from "effect"
import type { Attempts } from "./Attempts.ts"
import type { Card } from "./Card.ts"
import type { CardId } from "./CardId.ts"
import type { DecidedEvent, Event } from "./Event.ts"
import { CardNotFound, type Rejection } from "./Rejection.ts"

/**
 * The facts that a decision depends on. The caller has loaded and locked them. The view must contain every card that the
 * command names and, for each edge that the command would add, everything that can be reached from it.
 */
export interface BacklogView {
  /** The generation of the tokens of new claims. */
  readonly generation: number
  readonly card: (id: CardId) => Card | undefined
  readonly cardWithKey: (idempotencyKey: string) => Card | undefined
  /** Whether a card exists and is done: the condition of the cards that depend on it. */
  readonly isDone: (id: CardId) => boolean
  /** Whether a card exists: the condition of a new link to it. */
  readonly exists: (id: CardId) => boolean
  /** The number of a card's dependencies that are not done or do not exist. */
  readonly unmetDependencies: (id: CardId) => number
  /** The attempts at a card. */
  readonly attemptsAt: (id: CardId) => Attempts
  readonly dependenciesOf: (id: CardId) => ReadonlyArray<CardId>
  /** Whether any card depends on this one. */
  readonly hasDependents: (id: CardId) => boolean
  /** The cards that a claim may choose from, in claim order, including those whose claim has expired. */
  readonly claimCandidates: (now: DateTime.Utc) => Iterable<Card>
  /** The cards whose claim has expired, by id. */
  readonly expiredClaims: (now: DateTime.Utc) => ReadonlyArray<Card>
}

/** The facts that a claim of the best card depends on. */
export type ClaimView = Pick<
  BacklogView,
  "generation" | "claimCandidates" | "expiredClaims" | "unmetDependencies" | "attemptsAt"
>

/** The result of a command: events, in order, or the rejection. An empty list means that nothing needs to change. */
export type Decision = Result.Result<ReadonlyArray<DecidedEvent>, Rejection>

export const noEvents: Decision = Result.succeed([])

export const oneEvent = (cardId: CardId, event: Event): Decision => Result.succeed([{ cardId, event }])

/** Decides on the card that a command names, or refuses the command with `CardNotFound`. */
export const withCard = (backlog: BacklogView, id: CardId, decideOn: (card: Card) => Decision): Decision => {
  const card = backlog.card(id)
  return card === undefined ? Result.fail(new CardNotFound({ id })) : decideOn(card)
}
