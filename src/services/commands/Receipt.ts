import { Option, Result, Schema } from "effect"
import { type Card, Version } from "../../domain/Card.ts"
import { CardId } from "../../domain/CardId.ts"
import type { Command } from "../../domain/Command.ts"
import { EventParts } from "../../domain/Event.ts"
import { Rejection } from "../../domain/Rejection.ts"
import { newSalt } from "../../events/ContentHash.ts"
import type { Answer } from "../Answer.ts"
import { type CommandDigests, type ReceiptedCommand, salted } from "./commandDigests.ts"
import type { Outcome } from "./decideBatch.ts"

/** A card as it stood when it had so many events: the log says what that is, and no copy has to be erased from here. */
const CardAtVersion = Schema.Struct({ id: CardId, version: Version })

/** A card as it stood when it had so many events. */
export interface CardAtVersion extends Schema.Schema.Type<typeof CardAtVersion> {}

/** What a receipt keeps of an answer: enough to give it again. */
export const ReceiptOutcome = Schema.Union([
  Schema.TaggedStruct("Refused", { rejection: Rejection }),
  Schema.TaggedStruct("Cards", { cards: Schema.Array(CardAtVersion) }),
  Schema.TaggedStruct("Completed", {
    card: CardAtVersion,
    madeClaimable: Schema.Array(CardId),
    next: Schema.optionalKey(CardAtVersion)
  }),
  Schema.TaggedStruct("Reclaimed", { ids: Schema.Array(CardId) }),
  Schema.TaggedStruct("Redacted", { card: CardAtVersion, erased: Schema.Array(EventParts) })
])

/** What a receipt keeps of an answer. */
export type ReceiptOutcome = typeof ReceiptOutcome.Type

/** What was answered to the command that carried an id, and what that command is recognized by. */
export interface Receipt {
  readonly commandId: string
  /** Only this actor's retries get the answer. Empty where an older program did not record whose command it was. */
  readonly actor: string
  /** The command's tag; null in receipts of older programs. */
  readonly kind: string | null
  /** See `CommandDigests`; null in receipts of older programs. */
  readonly shape: string | null
  readonly salt: string | null
  /** `salted` of the whole command. Null where it has no erasable text, and after a redaction. */
  readonly digest: string | null
  readonly outcome: ReceiptOutcome
}

/** A command's receipt, with a new salt where the command has erasable text. */
export const receiptOf = (
  { actor }: Pick<ReceiptedCommand, "actor">,
  commandId: string,
  { kind, shape, whole }: CommandDigests,
  outcome: ReceiptOutcome
): Receipt => {
  const salt = whole === undefined ? null : newSalt()
  return {
    commandId,
    actor,
    kind,
    shape,
    salt,
    digest: salt === null || whole === undefined ? null : salted(salt, whole),
    outcome
  }
}

/**
 * Whether a receipt is of a command that says the same. After a redaction the texts that the command had are not compared,
 * so that no guess of them is answered differently.
 */
export const isReceiptOf = (
  { digest, kind, outcome, salt, shape }: Omit<Receipt, "actor" | "commandId">,
  command: CommandDigests
): boolean => {
  if (kind !== null && (kind !== command.kind || shape !== command.shape)) return false
  if (digest === null || salt === null) return kind !== null || mayAnswer(outcome, command.kind)
  // An older program's digest covers the whole command, also where that has no text.
  const whole = command.whole ?? (kind === null ? command.shape : undefined)
  return whole !== undefined && salted(salt, whole) === digest
}

/** Whether a command of this kind can have had an outcome: all that is left of an older receipt after a redaction. */
const mayAnswer = (outcome: ReceiptOutcome, kind: CommandDigests["kind"]): boolean => {
  if (outcome._tag === "Refused") return kind !== "Redact" || outcome.rejection._tag === "CardNotFound"
  switch (kind) {
    case "Complete":
      return outcome._tag === "Completed"
    case "Reclaim":
      return outcome._tag === "Reclaimed"
    case "Redact":
      return outcome._tag === "Redacted"
    case "CreateMany":
    case "ClaimMany":
      return outcome._tag === "Cards"
    case "Claim":
      return outcome._tag === "Cards" && outcome.cards.length <= 1
    default:
      return outcome._tag === "Cards" && outcome.cards.length === 1
  }
}

const atVersion = ({ id, version }: Card): CardAtVersion => ({ id, version })

/** What a receipt keeps of a command's outcome. */
export const receiptOutcomeOf = (command: Command, outcome: Outcome): ReceiptOutcome => {
  if (Result.isFailure(outcome)) return { _tag: "Refused", rejection: outcome.failure }
  const answer = outcome.success
  switch (command._tag) {
    case "Reclaim":
      return { _tag: "Reclaimed", ids: answer as Answer<"Reclaim"> }
    case "Complete": {
      const card = answer as Answer<"Complete">
      return {
        _tag: "Completed",
        card: atVersion(card),
        madeClaimable: card.madeClaimable,
        ...(card.next === null ? {} : { next: atVersion(card.next) })
      }
    }
    case "Claim":
      return { _tag: "Cards", cards: Option.toArray(answer as Answer<"Claim">).map(atVersion) }
    case "ClaimMany":
    case "CreateMany":
      return { _tag: "Cards", cards: (answer as Answer<"ClaimMany" | "CreateMany">).map(atVersion) }
    default:
      return { _tag: "Cards", cards: [atVersion(answer as Card)] }
  }
}

/** The cards that giving an answer again takes. */
export const cardsOf = (outcome: ReceiptOutcome): ReadonlyArray<CardAtVersion> => {
  switch (outcome._tag) {
    case "Cards":
      return outcome.cards
    case "Completed":
      return outcome.next === undefined ? [outcome.card] : [outcome.card, outcome.next]
    case "Redacted":
      return [outcome.card]
    case "Refused":
    case "Reclaimed":
      return []
  }
}

/** The outcome that a command had, from its receipt; `card` gives the cards of `cardsOf`. */
export const outcomeOf = (command: Command, receipt: ReceiptOutcome, card: (of: CardAtVersion) => Card): Outcome => {
  switch (receipt._tag) {
    case "Refused":
      return Result.fail(receipt.rejection)
    case "Reclaimed":
      return Result.succeed(receipt.ids)
    case "Completed":
      return Result.succeed({
        ...card(receipt.card),
        madeClaimable: receipt.madeClaimable,
        next: receipt.next === undefined ? null : card(receipt.next)
      })
    case "Redacted":
      return Result.succeed(card(receipt.card))
    case "Cards": {
      const cards = receipt.cards.map(card)
      if (command._tag === "CreateMany" || command._tag === "ClaimMany") return Result.succeed(cards)
      const [first] = cards
      if (command._tag === "Claim") return Result.succeed(Option.fromUndefinedOr(first))
      if (first === undefined) throw new Error("a receipt names no card")
      return Result.succeed(first)
    }
  }
}
