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
import type { OptimisticDecision, OptimisticResult } from "./BatchTransaction.ts"
import { answerOf, type Outcome } from "./Outcome.ts"
import type { Moment, RememberedClaims } from "./RememberedClaims.ts"

/** How much older than the server's clock the time of a decision may be, in milliseconds. */
const maxToleranceMillis = 1_000

/** The same for a claim, as a part of its lease: the lease begins at that time. */
const leaseTolerance = 0.01

type Outcomes = ReadonlyArray<Outcome>

/**
 * Decides a batch of one command before anything is loaded, where that is possible (decision 62): the completion of a card whose claim is
 * remembered, unless it would be refused, since the refusal may be out of date; and a claim after another one that has found a card.
 * Only loading finds a receipt, the labels that a claim asks for, and the number of failed attempts.
 */
export const makeOptimisticDecisions = (
  { bindChange, decodeChanged }: ChangeCard,
  claims: RememberedClaims,
  override: () => Date | null,
  afterCommit: Effect.Effect<void>
) => {
  const completions = new Backoff()
  const furtherClaims = new Backoff()

  const toResult = (
    { now, position }: { readonly now: DateTime.Utc; readonly position: number },
    generation: number,
    after: Card,
    outcome: Outcome
  ): OptimisticResult<Outcomes> => {
    claims.noteMoment(now, generation)
    return {
      answer: [outcome],
      afterCommit,
      position,
      remember: () => claims.remember(after.id, after, position, generation)
    }
  }

  const decideCompletion = (
    command: CommandOf<"Complete">,
    { generation, now }: Moment
  ): OptimisticDecision<Outcomes> | undefined => {
    const remembered = claims.take(command.id)
    if (remembered === undefined || completions.skips()) return undefined
    const { card } = remembered
    const state = new ReadModelState(generation)
    state.putCard(card, 0)
    const decision = decide(state, command, now)
    const [decided] = Result.isSuccess(decision) ? decision.success : []
    if (Result.isFailure(decision) || decided === undefined || decision.success.length > 1) return undefined
    const event = pendingEvent(command, card.id, card.version + 1, decided.event, now)
    const after = evolve(card, event)
    if (after === undefined) return undefined
    return {
      write: bindChange({ target: { remembered }, event, after, generation, toleranceMillis: maxToleranceMillis }),
      decodeResult: (rows) => {
        const changed = decodeChanged(rows)
        completions.note(changed !== undefined)
        if (changed === undefined) return undefined
        const cardAfter = () => after
        const answer = answerOf(command, decision.success, [], cardAfter, noCard)
        return toResult(changed, generation, after, Result.succeed(answer))
      }
    }
  }

  const decideClaim = (
    command: CommandOf<"Claim">,
    { generation, now }: Moment
  ): OptimisticDecision<Outcomes> | undefined => {
    if (!claims.takeHasClaimed() || furtherClaims.skips()) return undefined
    const decided = claimEvent(command, generation, now)
    const event = pendingEvent(command, anyCard.id, 1, decided, now)
    const after = evolve(anyCard, event)
    if (after === undefined) return undefined
    const toleranceMillis = Math.min(maxToleranceMillis, decided.ttlSeconds * 1000 * leaseTolerance)
    return {
      write: bindChange({ target: { filter: command }, event, after, generation, toleranceMillis }),
      decodeResult: (rows) => {
        const changed = decodeChanged(rows)
        const card = changed?.claimed
        furtherClaims.note(card !== undefined)
        if (changed === undefined || card === undefined) return undefined
        const claimed = evolve(card, { ...event, cardId: card.id, version: card.version + 1 })
        if (claimed === undefined || !isClaimable(card, 0, changed.now) || !matchesFilter(card, command)) {
          throw new Error(`the database claimed card ${card.id}, which is not claimable`)
        }
        const cardAfter = () => claimed
        const answer = answerOf(command, [{ cardId: card.id, event: decided }], [], cardAfter, noCard)
        return toResult(changed, generation, claimed, Result.succeed(answer))
      }
    }
  }

  /** Returns the decision, or `undefined` where the batch has to load first. */
  return (commands: ReadonlyArray<Command>): OptimisticDecision<Outcomes> | undefined => {
    const [command] = commands
    if (commands.length !== 1 || command === undefined || command.commandId !== undefined) return undefined
    const isCompletion = command._tag === "Complete" && command.claimNext === undefined
    if (!isCompletion && !isPlainClaim(command)) return undefined
    const moment = claims.estimateMoment(override())
    if (moment === undefined) return undefined
    return command._tag === "Complete" ? decideCompletion(command, moment) : decideClaim(command, moment)
  }
}

/** The largest number of decisions that are skipped after wrong ones. */
const maxSkipped = 64

/**
 * Skips optimistic decisions after wrong ones, because each costs a round trip: none after the first, one after the second without a right
 * one between them, then two, four and up to 64.
 */
export class Backoff {
  #wrong = 0
  #left = 0

  /** Whether to skip the next decision. */
  skips(): boolean {
    if (this.#left === 0) return false
    this.#left--
    return true
  }

  /** Records whether a decision was right. */
  note(isRight: boolean): void {
    this.#wrong = isRight ? 0 : this.#wrong + 1
    if (this.#wrong > 1) this.#left = Math.min(2 ** (this.#wrong - 2), maxSkipped)
  }
}

const noCard = () => undefined

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
