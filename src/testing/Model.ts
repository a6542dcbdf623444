import type { Card } from "../domain/Card.ts"
import type { Command } from "../domain/Command.ts"
import type { Rejection } from "../domain/Rejection.ts"

/** A card in the model: JSON, with times as ISO-8601 text. */
export type ModelCard = typeof Card.Encoded

/** A command with its tag, as a caller writes it: ids and names are plain strings. */
export type ModelCommand = typeof Command.Encoded

/** A rejection as JSON. */
export type ModelRejection = typeof Rejection.Encoded

/** A completed card, the ids of the cards that became claimable, sorted by id, and the card claimed next. */
export interface ModelCompletedCard extends ModelCard {
  readonly madeClaimable: ReadonlyArray<string>
  readonly next: ModelCard | null
}

/**
 * The answer of a command: a card, `null` for a claim that found nothing, the cards of `CreateMany` and `ClaimMany`, or the ids
 * of `Reclaim`.
 */
export type ModelAnswer = ModelCard | ModelCompletedCard | null | ReadonlyArray<ModelCard> | ReadonlyArray<string>

/** The outcome of a command. */
export type ModelOutcome =
  | { readonly _tag: "Answered"; readonly answer: ModelAnswer }
  | { readonly _tag: "Refused"; readonly rejection: ModelRejection }

/** A command with an id, and its outcome. */
export interface ModelReceipt {
  readonly command: ModelCommand
  readonly outcome: ModelOutcome
}

/** The key of a command's receipt, `undefined` for a command without an id. Ids are unique per actor. */
export const receiptKey = ({ actor, commandId }: Pick<ModelCommand, "actor" | "commandId">): string | undefined =>
  commandId === undefined ? undefined : JSON.stringify([actor, commandId])

/** The whole backlog: cards by id, receipts by actor and id. */
export interface Model {
  /** The generation of the tokens of new claims. Defaults to 0. */
  readonly generation?: number
  readonly cards: ReadonlyMap<string, ModelCard>
  readonly receipts: ReadonlyMap<string, ModelReceipt>
  /**
   * By card, how each failed attempt since the card was last unblocked or reopened ended, as the reason of a block lists it.
   * Defaults to none.
   */
  readonly failures?: ReadonlyMap<string, ReadonlyArray<string>>
}

/** A backlog without cards. */
export const emptyModel: Model = { cards: new Map(), receipts: new Map() }

/** The claim fields of a card that is not claimed. */
export const noClaim = {
  claimOwner: null,
  claimTtlSeconds: null,
  claimedAt: null,
  claimExpiresAt: null,
  claimToken: null
} as const

/**
 * Whether two values are the same JSON, in any order of their members. Absent and `undefined` are the same. The model does
 * not use the function of the same name in `domain/`, since it must share no code with what it tests.
 */
export const sameJson = (one: unknown, other: unknown): boolean => {
  const [left, right] = [asJson(one), asJson(other)]
  if (left === right) return true
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) return false
  if (Array.isArray(left) || Array.isArray(right)) {
    return (
      Array.isArray(left) &&
      Array.isArray(right) &&
      left.length === right.length &&
      left.every((item, index) => sameJson(item, right[index]))
    )
  }
  return (
    Object.entries(left).every(([key, member]) => sameJson(member, (right as Record<string, unknown>)[key])) &&
    Object.entries(right).every(([key, member]) => key in left || member === undefined)
  )
}

const asJson = (value: unknown): unknown =>
  typeof value === "object" && value !== null && "toJSON" in value && typeof value.toJSON === "function"
    ? value.toJSON()
    : value

/** Returns the ids of the cards that a command names and may change. */
export const namedCards = (command: ModelCommand): ReadonlyArray<string> =>
  command._tag === "CreateMany"
    ? command.cards.flatMap(({ id }) => id ?? [])
    : command._tag === "Link" || command._tag === "Unlink"
      ? [command.from]
      : "id" in command && command.id !== undefined
        ? [command.id]
        : []

/**
 * Returns a command whose new cards all have ids: those without one get the ids of the answer. Without an answer each gets an
 * id that no card has.
 */
export const withAnsweredIds = (command: ModelCommand, outcome: ModelOutcome | undefined): ModelCommand => {
  const answer = outcome?._tag === "Answered" ? outcome.answer : undefined
  switch (command._tag) {
    case "Create":
      return command.id === undefined ? { ...command, id: (answer as ModelCard | undefined)?.id ?? unknownId } : command
    case "CreateMany": {
      if (command.cards.every(({ id }) => id !== undefined)) return command
      const created = answer as ReadonlyArray<ModelCard> | undefined
      const cards = command.cards.map((card, index) => ({
        ...card,
        id: card.id ?? created?.[index]?.id ?? `${unknownId} ${index}`
      }))
      return { ...command, cards }
    }
    default:
      return command
  }
}

const unknownId = "unknown"

/** Returns the cards that a command claimed, from its answer. */
export const claimedCards = (command: ModelCommand, answer: ModelAnswer): ReadonlyArray<ModelCard> => {
  switch (command._tag) {
    case "Claim":
      return answer === null ? [] : [answer as ModelCard]
    case "ClaimMany":
      return answer as ReadonlyArray<ModelCard>
    case "Complete": {
      const { next } = answer as Partial<ModelCompletedCard>
      return next == null ? [] : [next]
    }
    default:
      return []
  }
}
