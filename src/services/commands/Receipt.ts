import { Option, Result, Schema } from "effect"
import { hash } from "node:crypto"
import { type Card, type ClaimedCard, Version } from "../../domain/Card.ts"
import { CardId } from "../../domain/CardId.ts"
import type { ClaimFilter, Command } from "../../domain/Command.ts"
import type { Redact } from "../../domain/Redaction.ts"
import { EventParts } from "../../domain/Event.ts"
import { Rejection } from "../../domain/Rejection.ts"
import { erasableFields, jsonHash, newSalt } from "../../events/ContentHash.ts"
import type { Answer, Outcome } from "./Outcome.ts"

/*
 * Storage format of receipts (decisions 14 and 37). A receipt never contains a text of a card: outcomes name cards by id and
 * version, so that they are read from the log when a command is sent again, and commands are stored as digests. A digest
 * that covers erasable text is salted, and a redaction removes the salt. The fields of a command are part of the format.
 */

/** A command that can have a receipt, with its tag. */
export type ReceiptedCommand = Command | (Redact & { readonly _tag: "Redact" })

/** The actor and the id of a command. */
export type Identified = Pick<ReceiptedCommand, "actor"> & { readonly commandId: string }

/** The key of a receipt: a command id belongs to its actor. Neither can contain NUL. */
export const receiptKey = ({ actor, commandId }: Identified): string => `${actor}\u0000${commandId}`

/** Digests by which two commands with the same id are compared. All hashes are hexadecimal. */
export interface CommandDigests {
  /** The command's tag. */
  readonly kind: ReceiptedCommand["_tag"]
  /**
   * SHA-256 over the command's canonical JSON (RFC 8785) without its id, with `true` in place of every erasable text, so that
   * no text can be guessed from it.
   */
  readonly shape: string
  /** The same hash with the texts. `undefined` when the command has none: then `shape` covers it completely. */
  readonly whole: string | undefined
}

/** Computes the digests of a command. They do not depend on the order of its fields. */
export const computeDigests = (command: ReceiptedCommand): CommandDigests => {
  const { commandId: _, ...content } = toStoredForm(command)
  const whole = JSON.parse(JSON.stringify(content)) as Schema.Json
  const shape = withoutTexts(whole)
  return {
    kind: command._tag,
    shape: jsonHash(shape),
    whole: shape === whole ? undefined : jsonHash(whole)
  }
}

/** A command with the field names of the storage format: `minPriority` is `minimumPriority` there. */
const toStoredForm = (command: ReceiptedCommand): ReceiptedCommand => {
  switch (command._tag) {
    case "Claim":
    case "ClaimMany":
      return withStoredPriority(command)
    case "Complete":
      return command.claimNext?.minPriority === undefined
        ? command
        : { ...command, claimNext: withStoredPriority(command.claimNext) }
    default:
      return command
  }
}

const withStoredPriority = <A extends ClaimFilter>(claim: A): A => {
  if (claim.minPriority === undefined) return claim
  const { minPriority: minimumPriority, ...others } = claim
  return { ...others, minimumPriority } as unknown as A
}

/** The fields of commands whose values become erasable texts of events. */
const textFields: ReadonlySet<string> = new Set([...erasableFields, "note"])

/** Copies a value with `true` in place of every erasable text. Returns the value itself when it has none. */
const withoutTexts = (value: Schema.Json): Schema.Json => {
  if (typeof value !== "object" || value === null) return value
  let copy: Record<string, Schema.Json> | undefined
  const source = value as Schema.JsonObject
  for (const key of Object.keys(source)) {
    const member = source[key] as Schema.Json
    const isText = member !== null && textFields.has(key)
    const bare = isText ? true : withoutTexts(member)
    if (!isText && bare === member) continue
    copy ??= (Array.isArray(value) ? [...value] : { ...source }) as Record<string, Schema.Json>
    copy[key] = bare
  }
  return copy ?? value
}

/** Whether two commands have the same content. */
export const haveSameContent = (left: CommandDigests, right: CommandDigests): boolean =>
  left.kind === right.kind && left.shape === right.shape && left.whole === right.whole

/** The digest that a receipt stores of a hash over erasable text: SHA-256 of the salt and the hash, hexadecimal. */
export const saltDigest = (salt: string, whole: string): string =>
  hash("sha256", Buffer.from(salt + whole, "hex"), "hex")

/** A card as of one of its events. Receipts contain no copies of cards, which a redaction would have to erase. */
const CardAtVersion = Schema.Struct({ id: CardId, version: Version })

/** A card as of one of its events. */
export interface CardAtVersion extends Schema.Schema.Type<typeof CardAtVersion> {}

/** An outcome as a receipt stores it. */
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

/** An outcome as a receipt stores it. */
export type ReceiptOutcome = typeof ReceiptOutcome.Type

/** The stored outcome of a command with an id, and the digests of the command. */
export interface Receipt {
  readonly commandId: string
  /** The actor of the command. Empty in receipts of versions before 0.6, which did not record it. */
  readonly actor: string
  /** The command's tag. Null in receipts of versions before 0.6. */
  readonly kind: string | null
  /** See `CommandDigests`. Null in receipts of versions before 0.6. */
  readonly shape: string | null
  readonly salt: string | null
  /** `saltDigest` of the whole command. Null when it has no erasable text, and after a redaction. */
  readonly digest: string | null
  readonly outcome: ReceiptOutcome
}

/** Makes the receipt of a command, with a new salt if the command has erasable text. */
export const makeReceipt = (
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
    digest: salt === null || whole === undefined ? null : saltDigest(salt, whole),
    outcome
  }
}

/**
 * Whether a receipt is of a command with the same content. After a redaction its texts are not compared, so that no guess of
 * an erased text gets another answer.
 */
export const matchesReceipt = (
  { digest, kind, outcome, salt, shape }: Omit<Receipt, "actor" | "commandId">,
  command: CommandDigests
): boolean => {
  if (kind !== null && (kind !== command.kind || shape !== command.shape)) return false
  if (digest === null || salt === null) return kind !== null || mayAnswer(outcome, command.kind)
  // A digest of a version before 0.6 covers the whole command, also when it has no text.
  const whole = command.whole ?? (kind === null ? command.shape : undefined)
  return whole !== undefined && saltDigest(salt, whole) === digest
}

/** Whether a command of this kind can have this outcome: the only check that is possible after a redaction of an old receipt. */
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

/** Converts the outcome of a command for its receipt. */
export const toReceiptOutcome = (command: Command, outcome: Outcome): ReceiptOutcome => {
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

/** The cards that `toOutcome` needs. */
export const cardsInOutcome = (outcome: ReceiptOutcome): ReadonlyArray<CardAtVersion> => {
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

/** Restores the outcome of a command from its receipt. `card` returns the cards of `cardsInOutcome`. */
export const toOutcome = (command: Command, receipt: ReceiptOutcome, card: (of: CardAtVersion) => Card): Outcome => {
  switch (receipt._tag) {
    case "Refused":
      return Result.fail(receipt.rejection)
    case "Reclaimed":
      return Result.succeed(receipt.ids)
    case "Completed":
      return Result.succeed({
        ...card(receipt.card),
        madeClaimable: receipt.madeClaimable,
        next: receipt.next === undefined ? null : (card(receipt.next) as ClaimedCard)
      })
    case "Redacted":
      return Result.succeed(card(receipt.card))
    case "Cards": {
      const cards = receipt.cards.map(card)
      if (command._tag === "CreateMany" || command._tag === "ClaimMany") return Result.succeed(cards)
      const [first] = cards
      if (command._tag === "Claim") return Result.succeed(Option.fromUndefinedOr(first as ClaimedCard | undefined))
      if (first === undefined) throw new Error("a receipt names no card")
      return Result.succeed(first)
    }
  }
}
