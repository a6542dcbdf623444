import { Schema } from "effect"
import * as Domain from "../../index.ts"
import { problems } from "./problems.ts"

/** A card. */
export const Card = Domain.Card.annotate({ identifier: "Card" })

/** Cards. */
export const Cards = Schema.Array(Card)

/** A completed card, the cards that its completion made claimable, and the card that was claimed next. */
export const CompletedCard = Schema.Struct({
  ...Domain.Card.fields,
  madeClaimable: Schema.Array(Domain.CardId),
  next: Schema.NullOr(Card)
}).annotate({ identifier: "CompletedCard" })

/** What became of each of several completions: the card, or the problem of one that was refused. */
export const Completions = Schema.Array(
  Schema.Union([
    CompletedCard,
    problems.cardNotFound,
    problems.claimLost,
    problems.cardIsClaimed,
    problems.commandIdConflict
  ])
)

/** Ids of cards. */
export const CardIds = Schema.Array(Domain.CardId)

/** The backlog in numbers. */
export const Stats = Domain.Stats.annotate({ identifier: "Stats" })

/** Why a card can or cannot be claimed. */
export const Explanation = Domain.Explanation.annotate({ identifier: "Explanation" })
