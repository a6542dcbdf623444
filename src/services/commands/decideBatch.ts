import { type DateTime, Option, Result } from "effect"
import type { Card } from "../../domain/Card.ts"
import type { CardId } from "../../domain/CardId.ts"
import { isClaimable } from "../../domain/Claimability.ts"
import type { Command } from "../../domain/Command.ts"
import type { DecidedEvent } from "../../domain/Event.ts"
import { CommandIdConflict, type Rejection } from "../../domain/Rejection.ts"
import { decide } from "../../domain/decide.ts"
import type { PendingEvent } from "../../events/EventLog.ts"
import type { LockedState } from "../../projections/ReadModel.ts"
import { type RowChange, rowChanges } from "../../projections/rowChanges.ts"
import type { Answer } from "../Answer.ts"
import { type CommandDigests, digestsOf, receiptKey, saySame } from "./commandDigests.ts"

/** A command's answer, or the rule that refused it. */
export type Outcome = Result.Result<Answer<Command["_tag"]>, Rejection>

/** A command with an id that was decided for the first time, and what it led to. */
export interface FirstOutcome {
  readonly command: Command
  readonly commandId: string
  readonly digests: CommandDigests
  readonly outcome: Outcome
}

/** What was decided on a batch: an outcome for each command, and what is to be written. */
export interface DecidedBatch {
  readonly outcomes: ReadonlyArray<Outcome>
  readonly pending: ReadonlyArray<PendingEvent>
  readonly changes: ReadonlyArray<RowChange>
  readonly createdCards: ReadonlySet<CardId>
  /** The commands of this batch that carry an id and were decided for the first time. */
  readonly first: ReadonlyArray<FirstOutcome>
}

/**
 * Claims go first, by id and then of the best: the commands of a batch were all under way at once, so any order is one
 * that could have been, and the cards that claims may take were locked before anything was decided.
 */
const inOrder = (commands: ReadonlyArray<Command>): ReadonlyArray<readonly [index: number, command: Command]> => {
  return commands
    .map((command, index) => [index, command] as const)
    .sort(([left, a], [right, b]) => rank(a) - rank(b) || left - right)
}

/**
 * Decides a batch, each command on the state that those before it left. A command whose actor used its id before gets the
 * outcome of that time, from `known`, which has those of earlier transactions, or from this batch.
 */
export const decideBatch = (
  { now, state }: Pick<LockedState, "now" | "state">,
  commands: ReadonlyArray<Command>,
  known: ReadonlyMap<Command, Outcome>
): DecidedBatch => {
  const first = new Map<string, FirstOutcome>()
  const outcomes: Array<Outcome> = []
  const pending: Array<PendingEvent> = []
  const changes: Array<RowChange> = []
  const createdCards = new Set<CardId>()

  const apply = (command: Command, decided: DecidedEvent, occurredAt: DateTime.Utc): ReadonlyArray<CardId> => {
    const event: PendingEvent = {
      cardId: decided.cardId,
      event: decided.event,
      version: (state.card(decided.cardId)?.version ?? 0) + 1,
      occurredAt,
      actor: command.actor,
      correlationId: command.correlationId ?? null,
      causationId: command.causationId ?? null,
      commandId: command.commandId ?? null
    }
    let madeClaimable: Array<CardId> | undefined
    for (const change of rowChanges(state, event)) {
      state.apply(change)
      changes.push(change)
      if (change._tag === "UnmetDependenciesChanged" && change.cardId !== decided.cardId) {
        const standing = state.summary(change.cardId)
        if (standing !== undefined && isClaimable(standing, standing.unmetDependencies, now)) {
          ;(madeClaimable ??= []).push(change.cardId)
        }
      }
    }
    if (event.event._tag === "CardCreated") createdCards.add(event.cardId)
    pending.push(event)
    return madeClaimable ?? none
  }

  const decideNext = (command: Command): Outcome => {
    const decision = decide(state, command, now)
    if (Result.isFailure(decision)) return Result.fail(decision.failure)
    const businessTimes = businessTimesOf(command)
    const madeClaimable = decision.success.flatMap((event) =>
      apply(command, event, businessTimes.get(event.cardId) ?? now)
    )
    return Result.succeed(
      answer(
        command,
        decision.success,
        madeClaimable,
        (id) => {
          const card = state.card(id)
          if (card === undefined) throw new Error(`card ${id} was decided on but not loaded`)
          return card
        },
        (key) => state.cardWithKey(key)
      )
    )
  }

  for (const [index, command] of inOrder(commands)) {
    const { commandId } = command
    if (commandId === undefined) {
      outcomes[index] = decideNext(command)
      continue
    }
    const before = known.get(command)
    if (before !== undefined) {
      outcomes[index] = before
      continue
    }
    const digests = digestsOf(command)
    const key = receiptKey({ actor: command.actor, commandId })
    const earlier = first.get(key)
    if (earlier === undefined) {
      const outcome = decideNext(command)
      outcomes[index] = outcome
      first.set(key, { command, commandId, digests, outcome })
    } else {
      outcomes[index] = saySame(earlier.digests, digests)
        ? earlier.outcome
        : Result.fail(new CommandIdConflict({ commandId }))
    }
  }
  return { outcomes, pending, changes, createdCards, first: [...first.values()] }
}

const none: ReadonlyArray<CardId> = []

const rank = (command: Command): number => {
  if (command._tag === "Claim") return command.id === undefined ? 1 : 0
  if (command._tag === "ClaimMany") return 1
  return command._tag === "Complete" && command.claimNext !== undefined ? 2 : 3
}

/** The times that a Create gives its cards: an import's. */
const businessTimesOf = (command: Command): ReadonlyMap<CardId, DateTime.Utc> => {
  const times = new Map<CardId, DateTime.Utc>()
  const cards = command._tag === "Create" ? [command] : command._tag === "CreateMany" ? command.cards : []
  for (const card of cards) if (card.occurredAt !== undefined) times.set(card.id, card.occurredAt)
  return times
}

const answer = (
  command: Command,
  events: ReadonlyArray<DecidedEvent>,
  madeClaimable: ReadonlyArray<CardId>,
  card: (id: CardId) => Card,
  cardWithKey: (key: string) => Card | undefined
): Answer<Command["_tag"]> => {
  const createdOrKnown = (id: CardId, key: string | null | undefined) =>
    (key == null ? undefined : cardWithKey(key)) ?? card(id)
  const claimed = () => events.filter(({ event }) => event._tag === "CardClaimed").map(({ cardId }) => card(cardId))
  switch (command._tag) {
    case "Create":
      return createdOrKnown(command.id, command.idempotencyKey)
    case "CreateMany":
      return command.cards.map((entry) => createdOrKnown(entry.id, entry.idempotencyKey))
    case "Claim":
      return Option.fromUndefinedOr(claimed()[0])
    case "ClaimMany":
      return claimed()
    case "Reclaim":
      return events.map((event) => event.cardId)
    case "Complete":
      return { ...card(command.id), madeClaimable, next: claimed()[0] ?? null }
    case "Link":
    case "Unlink":
      return card(command.from)
    default:
      return card(command.id)
  }
}
