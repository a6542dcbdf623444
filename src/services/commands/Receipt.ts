import { Option, Result, Schema } from "effect"
import { hash } from "node:crypto"
import { type Card, Version } from "../../domain/Card.ts"
import { CardId } from "../../domain/CardId.ts"
import type { ClaimFilter, Command } from "../../domain/Command.ts"
import type { Redact } from "../../domain/Redaction.ts"
import { EventParts } from "../../domain/Event.ts"
import { Rejection } from "../../domain/Rejection.ts"
import { erasableFields, jsonHash, newSalt } from "../../events/ContentHash.ts"
import type { Answer, Outcome } from "./Outcome.ts"

/** A command as receipts know it: with its tag. */
export type ReceiptedCommand = Command | (Redact & { readonly _tag: "Redact" })

/** Whose command it is, and its id. */
export type Identified = Pick<ReceiptedCommand, "actor"> & { readonly commandId: string }

/** Tells receipts apart: a command's id belongs to its actor. Neither can contain NUL. */
export const receiptKey = ({ actor, commandId }: Identified): string => `${actor}\u0000${commandId}`

/** What two commands under one id are compared by. All hashes are in hexadecimal. */
export interface CommandDigests {
  /** The command's tag. */
  readonly kind: ReceiptedCommand["_tag"]
  /**
   * SHA-256 over the command's canonical JSON (RFC 8785) without its id, in which `true` is in the place of every text that
   * may have to be erased. Such a text cannot be guessed from it.
   */
  readonly shape: string
  /** The same hash over the command with these texts. `undefined` where it has none: the shape covers the whole command. */
  readonly whole: string | undefined
}

/** Equal for commands that say the same, in whatever order of members. */
export const computeDigests = (command: ReceiptedCommand): CommandDigests => {
  const { commandId: _, ...content } = inStoredForm(command)
  const whole = JSON.parse(JSON.stringify(content)) as Schema.Json
  const shape = withoutTexts(whole)
  return {
    kind: command._tag,
    shape: jsonHash(shape),
    whole: shape === whole ? undefined : jsonHash(whole)
  }
}

/**
 * A command with the field names that stored digests cover. They are a storage format: a field that gets another name in
 * the API keeps its old one here, so that a retry after an upgrade finds its receipt.
 */
const inStoredForm = (command: ReceiptedCommand): ReceiptedCommand => {
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

/** A copy with `true` for every erasable text at any depth; the value itself where it has none. */
const withoutTexts = (value: Schema.Json): Schema.Json => {
  if (typeof value !== "object" || value === null) return value
  let copy: Record<string, Schema.Json> | undefined
  const source = value as Schema.JsonObject
  for (const key of Object.keys(source)) {
    const member = source[key] as Schema.Json
    const isText = member !== null && erasableFields.has(key)
    const bare = isText ? true : withoutTexts(member)
    if (!isText && bare === member) continue
    copy ??= (Array.isArray(value) ? [...value] : { ...source }) as Record<string, Schema.Json>
    copy[key] = bare
  }
  return copy ?? value
}

/** Whether two commands say the same. */
export const haveSameContent = (left: CommandDigests, right: CommandDigests): boolean =>
  left.kind === right.kind && left.shape === right.shape && left.whole === right.whole

/** What a receipt keeps of a hash over erasable text: SHA-256 of the salt's bytes and the hash's, in hexadecimal. */
export const saltDigest = (salt: string, whole: string): string =>
  hash("sha256", Buffer.from(salt + whole, "hex"), "hex")

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
  /** `saltDigest` of the whole command. Null where it has no erasable text, and after a redaction. */
  readonly digest: string | null
  readonly outcome: ReceiptOutcome
}

/** A command's receipt, with a new salt where the command has erasable text. */
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
 * Whether a receipt is of a command that says the same. After a redaction the texts that the command had are not compared,
 * so that no guess of them is answered differently.
 */
export const matchesReceipt = (
  { digest, kind, outcome, salt, shape }: Omit<Receipt, "actor" | "commandId">,
  command: CommandDigests
): boolean => {
  if (kind !== null && (kind !== command.kind || shape !== command.shape)) return false
  if (digest === null || salt === null) return kind !== null || mayAnswer(outcome, command.kind)
  // An older program's digest covers the whole command, also where that has no text.
  const whole = command.whole ?? (kind === null ? command.shape : undefined)
  return whole !== undefined && saltDigest(salt, whole) === digest
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

/** The cards that giving an answer again takes. */
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

/** The outcome that a command had, from its receipt; `card` gives the cards of `cardsOf`. */
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
