import { DateTime, type Effect, Result } from "effect"
import type { Card } from "../../domain/Card.ts"
import type { CardId } from "../../domain/CardId.ts"
import { isClaimable } from "../../domain/Claimability.ts"
import type { Command, CommandOf } from "../../domain/Command.ts"
import { claimEvent, decide, matchesFilter } from "../../domain/decide.ts"
import { evolve } from "../../domain/evolve.ts"
import type { PendingEvent } from "../../events/eventLines.ts"
import type { ChangeCard } from "../../projections/changeCard.ts"
import { ReadModelState } from "../../projections/ReadModelState.ts"
import type { Concluded, Foreseen } from "./BatchTransaction.ts"
import { answerOf, type Outcome } from "./Outcome.ts"
import type { Moment, RememberedClaims } from "./RememberedClaims.ts"

/** How much older than the server's clock the time of a decision may be, in milliseconds. */
const maxToleranceMillis = 1_000

/** The same for a claim, as a part of its lease: the lease begins at that time. */
const leaseTolerance = 0.01

type Outcomes = ReadonlyArray<Outcome>

/**
 * Decides batches of one command before anything is loaded, where that is possible (decision 62): the completion of a card whose claim is
 * remembered, unless it would be refused, since the refusal may be out of date; and a claim after another one that has found a card.
 * Only loading finds a receipt, the labels that a claim asks for, and the number of failed attempts.
 */
export const makeForesee = (
  { bindChange, decodeChanged }: ChangeCard,
  claims: RememberedClaims,
  override: () => Date | null,
  afterCommit: Effect.Effect<void>
) => {
  const conclude = (
    position: number,
    now: DateTime.Utc,
    generation: number,
    id: CardId,
    after: Card,
    outcome: Outcome
  ): Concluded<Outcomes> => {
    claims.noteMoment(now, generation)
    return { answer: [outcome], afterCommit, position, remember: () => claims.remember(id, after, position) }
  }

  const foreseeCompletion = (
    command: CommandOf<"Complete">,
    { generation, now }: Moment
  ): Foreseen<Outcomes> | undefined => {
    const remembered = claims.take(command.id)
    if (remembered === undefined) return undefined
    const { card } = remembered
    const state = new ReadModelState(generation)
    state.putCard(card, 0)
    const decision = decide(state, command, now)
    if (Result.isFailure(decision) || decision.success.length !== 1) return undefined
    const [{ event: decided }] = decision.success as readonly [(typeof decision.success)[number]]
    const event = pendingEvent(command, card.id, card.version + 1, decided, now)
    const after = evolve(card, event)
    if (after === undefined) return undefined
    return {
      write: bindChange({ target: { remembered }, event, after, generation, toleranceMillis: maxToleranceMillis }),
      conclude: (rows) => {
        const changed = decodeChanged(rows)
        if (changed === undefined) return undefined
        const answer = answerOf(
          command,
          decision.success,
          [],
          () => after,
          () => undefined
        )
        return conclude(changed.position, changed.now, generation, card.id, after, Result.succeed(answer))
      }
    }
  }

  const foreseeClaim = (command: CommandOf<"Claim">, { generation, now }: Moment): Foreseen<Outcomes> | undefined => {
    if (!claims.takeHasClaimed()) return undefined
    const decided = claimEvent(command, generation, now)
    const event = pendingEvent(command, anyCard.id, 1, decided, now)
    const after = evolve(anyCard, event)
    if (after === undefined) return undefined
    const toleranceMillis = Math.min(maxToleranceMillis, decided.ttlSeconds * 1000 * leaseTolerance)
    return {
      write: bindChange({ target: { filter: command }, event, after, generation, toleranceMillis }),
      conclude: (rows) => {
        const changed = decodeChanged(rows)
        const card = changed?.claimed
        if (changed === undefined || card === undefined) return undefined
        const claimed = evolve(card, { ...event, cardId: card.id, version: card.version + 1 })
        if (claimed === undefined || !isClaimable(card, 0, changed.now) || !matchesFilter(card, command)) {
          throw new Error(`the database claimed card ${card.id}, which cannot be claimed`)
        }
        const answer = answerOf(
          command,
          [{ cardId: card.id, event: decided }],
          [],
          () => claimed,
          () => undefined
        )
        return conclude(changed.position, changed.now, generation, card.id, claimed, Result.succeed(answer))
      }
    }
  }

  return (commands: ReadonlyArray<Command>): Foreseen<Outcomes> | undefined => {
    const [command] = commands
    if (commands.length !== 1 || command === undefined || command.commandId !== undefined) return undefined
    const isCompletion = command._tag === "Complete" && command.claimNext === undefined
    if (!isCompletion && !isPlainClaim(command)) return undefined
    const moment = claims.estimateMoment(override())
    if (moment === undefined) return undefined
    return command._tag === "Complete" ? foreseeCompletion(command, moment) : foreseeClaim(command, moment)
  }
}

const isPlainClaim = (command: Command): command is CommandOf<"Claim"> =>
  command._tag === "Claim" &&
  command.id === undefined &&
  command.maxAttempts === undefined &&
  command.labels === undefined &&
  command.withoutLabels === undefined

/** Stands for the card that a claim takes. */
const anyCard: Card = {
  id: "any" as CardId,
  title: "",
  body: null,
  phase: null,
  labels: [],
  priority: 0,
  status: "ready",
  dependsOn: [],
  claimOwner: null,
  claimTtlSeconds: null,
  claimedAt: null,
  claimExpiresAt: null,
  claimToken: null,
  attempts: 0,
  notBefore: null,
  idempotencyKey: null,
  acceptance: null,
  result: null,
  blockedReason: null,
  noteCount: 0,
  lastNote: null,
  createdAt: DateTime.makeUnsafe(0),
  updatedAt: DateTime.makeUnsafe(0),
  completedAt: null,
  version: 0
}

const pendingEvent = (
  command: Command,
  cardId: CardId,
  version: number,
  event: PendingEvent["event"],
  occurredAt: DateTime.Utc
): PendingEvent => ({
  cardId,
  event,
  version,
  occurredAt,
  actor: command.actor,
  correlationId: command.correlationId ?? null,
  causationId: command.causationId ?? null,
  commandId: command.commandId ?? null
})
