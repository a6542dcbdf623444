import { Context } from "effect"
import { createHash, randomBytes } from "node:crypto"
import type { CardId } from "../../domain/CardId.ts"
import type { Command, CommandOf, IdentifiedCard, IdentifiedCommand, NewCard } from "../../domain/Command.ts"
import { isIdPrefix, maxIdPrefixLength, proposeIds } from "../../domain/GeneratedId.ts"
import type { ProposedIds } from "../../projections/LockPlan.ts"

/**
 * The prefix of generated ids of cards: at most 100 characters, as in a card's id. Defaults to no prefix.
 *
 * A card that is created without an id gets an id of 8 characters after this prefix, or of 12 or 20 if shorter ones are in use. The
 * id is derived from the card's `idempotencyKey`, or else from the actor and the `commandId`. Without these it is random.
 */
export const GeneratedIdPrefix: Context.Reference<string> = Context.Reference<string>(
  "mosaic-backlog/GeneratedIdPrefix",
  { defaultValue: () => "" }
)

/** Throws if no id can begin with a prefix. */
export const requireIdPrefix = (prefix: string): string => {
  if (isIdPrefix(prefix)) return prefix
  throw new Error(
    `GeneratedIdPrefix is ${JSON.stringify(prefix)}. Use at most ${maxIdPrefixLength} characters, without control characters and without white space at the beginning.`
  )
}

/** Proposes ids for the new cards without an id: the same ones for the same command, if it has a key or a command id. */
export const proposeMissingIds = (commands: ReadonlyArray<Command>, prefix: string): ProposedIds => {
  let proposed: Map<NewCard, ReadonlyArray<CardId>> | undefined
  for (const command of commands) {
    if (command._tag !== "Create" && command._tag !== "CreateMany") continue
    const cards = command._tag === "Create" ? [command] : command.cards
    cards.forEach((card, index) => {
      if (card.id === undefined) (proposed ??= new Map()).set(card, proposeIds(prefix, digestOf(command, card, index)))
    })
  }
  return proposed ?? none
}

const none: ProposedIds = new Map()

const digestOf = (command: CommandOf<"Create" | "CreateMany">, card: NewCard, index: number): Uint8Array => {
  const seed =
    card.idempotencyKey != null
      ? ["key", card.idempotencyKey]
      : command.commandId === undefined
        ? undefined
        : ["command", command.actor, command.commandId, String(index)]
  // No name contains NUL.
  return seed === undefined ? randomBytes(32) : createHash("sha256").update(seed.join("\u0000")).digest()
}

/** Gives every new card of a command an id: the first proposed one that is not in use. */
export const withChosenIds = (
  command: Command,
  proposed: ProposedIds,
  isInUse: (id: CardId) => boolean
): IdentifiedCommand => {
  const chosen = new Set<CardId>()
  const withId = <Card extends NewCard>(card: Card): Card & IdentifiedCard => {
    if (card.id !== undefined) return card as Card & IdentifiedCard
    const ids = proposed.get(card) ?? []
    const id = ids.find((each) => !isInUse(each) && !chosen.has(each)) ?? ids.at(-1)
    if (id === undefined) throw new Error("a card has neither an id nor proposed ones")
    chosen.add(id)
    return { ...card, id }
  }
  switch (command._tag) {
    case "Create":
      return withId(command)
    case "CreateMany":
      return command.cards.every((card) => card.id !== undefined)
        ? (command as IdentifiedCommand)
        : { ...command, cards: command.cards.map(withId) }
    default:
      return command
  }
}
