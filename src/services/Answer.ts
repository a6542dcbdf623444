import type { Option } from "effect"
import type { Card } from "../domain/Card.ts"
import type { CardId } from "../domain/CardId.ts"
import type { Command } from "../domain/Command.ts"

/**
 * A completed card, the cards that its completion made claimable, and the card that was claimed next, if that was asked
 * for and there was one; it may be one of those.
 */
export interface CompletedCard extends Card {
  readonly madeClaimable: ReadonlyArray<CardId>
  readonly next: Card | null
}

interface OtherAnswers {
  readonly CreateMany: ReadonlyArray<Card>
  readonly Claim: Option.Option<Card>
  readonly ClaimMany: ReadonlyArray<Card>
  readonly Reclaim: ReadonlyArray<CardId>
  readonly Complete: CompletedCard
}

/** What a command answers when it is accepted: the card as it then stands, unless said otherwise. */
export type Answer<Tag extends Command["_tag"]> = Tag extends keyof OtherAnswers ? OtherAnswers[Tag] : Card
