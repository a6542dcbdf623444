import type { Option } from "effect"
import type { Card } from "../domain/Card.ts"
import type { CardId } from "../domain/CardId.ts"
import type { Command } from "../domain/Command.ts"

/** A completed card, and the cards that its completion made claimable. */
export interface CompletedCard extends Card {
  readonly madeClaimable: ReadonlyArray<CardId>
}

interface OtherAnswers {
  readonly CreateMany: ReadonlyArray<Card>
  readonly Claim: Option.Option<Card>
  readonly Reclaim: ReadonlyArray<CardId>
  readonly Complete: CompletedCard
}

/** What a command answers when it is accepted: the card as it then stands, unless said otherwise. */
export type Answer<Tag extends Command["_tag"]> = Tag extends keyof OtherAnswers ? OtherAnswers[Tag] : Card
