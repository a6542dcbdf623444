import type { DateTime } from "effect"
import { Context, Data, Effect, Layer, Option, Result, Schedule } from "effect"
import type { SqlError } from "effect/sql"
import { SqlClient } from "effect/sql"
import type { Card } from "../domain/Card.ts"
import type { CardId } from "../domain/CardId.ts"
import { isClaimable } from "../domain/Claimability.ts"
import type { Command } from "../domain/Command.ts"
import { decide } from "../domain/decide.ts"
import type { DecidedEvent } from "../domain/Event.ts"
import type { Rejection } from "../domain/Rejection.ts"
import { EventLog, type PendingEvent } from "../events/EventLog.ts"
import { footprintOf } from "../projections/Footprint.ts"
import type { Loaded } from "../projections/lockAndLoad.ts"
import { ReadModel } from "../projections/ReadModel.ts"
import { type RowChange, rowChanges } from "../projections/rowChanges.ts"
import type { Answer } from "./Answer.ts"

/** A command's answer, or the rule that refused it. */
export type Outcome = Result.Result<Answer<Command["_tag"]>, Rejection>

/**
 * A batch that the database did not carry out, or may have carried out: when the connection breaks while it commits,
 * nobody here can tell, and trying again could do everything twice.
 */
export class BatchFailed extends Data.TaggedError("BatchFailed")<{
  readonly error: SqlError.SqlError
  readonly mayHaveCommitted: boolean
}> {}

/** How often a batch is tried that the database asked to try again. */
const maximumTries = 8

/**
 * Carries out commands, and is the only writer: a batch in one transaction, each command seeing the state that those
 * before it left. A refused command changes nothing and disturbs no other.
 */
export class Interpreter extends Context.Service<
  Interpreter,
  {
    /**
     * Carries out commands in one transaction, or in the caller's where one is open, and answers each in its place.
     * Lost races for an id or an idempotency key and, in a transaction of its own, deadlocks and serialization failures
     * are retried a bounded number of times.
     */
    readonly run: (commands: ReadonlyArray<Command>) => Effect.Effect<ReadonlyArray<Outcome>, BatchFailed>
  }
>()("mosaic-backlog/services/Interpreter") {
  static readonly layer: Layer.Layer<Interpreter, never, SqlClient.SqlClient | EventLog | ReadModel> = Layer.effect(
    Interpreter,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const log = yield* EventLog
      const readModel = yield* ReadModel

      const attempt = Effect.fnUntraced(function* (commands: ReadonlyArray<Command>) {
        const loaded = yield* readModel.lockAndLoad(footprintOf(commands))
        const decided = decideAll(loaded, commands)
        if (decided.pending.length > 0) {
          const before = yield* log.append(decided.pending)
          const positions = new Map(decided.pending.map((event, index) => [event.cardId, before + index + 1]))
          yield* readModel.write({ ...decided, ...loaded, positions })
        }
        return decided.outcomes
      })

      const tryOnce = (commands: ReadonlyArray<Command>) =>
        Effect.suspend(() => {
          let mayHaveCommitted = false
          return attempt(commands).pipe(
            Effect.tap(() =>
              Effect.sync(() => {
                mayHaveCommitted = true
              })
            ),
            sql.withTransaction,
            Effect.provideService(SqlClient.BeginTransaction, "BEGIN ISOLATION LEVEL READ COMMITTED"),
            Effect.mapError((error) => new BatchFailed({ error, mayHaveCommitted }))
          )
        })

      const run = (commands: ReadonlyArray<Command>) =>
        Effect.flatMap(Effect.serviceOption(sql.transactionService), (callers) =>
          Effect.retry(tryOnce(commands), {
            while: Option.isSome(callers) ? isLostRace : isWorthRetrying,
            times: maximumTries - 1,
            schedule: retrySchedule
          })
        )

      return Interpreter.of({ run })
    })
  )
}

/** Somebody else created the card or used the key meanwhile: the next try sees it. */
const isLostRace = ({ error: { reason }, mayHaveCommitted }: BatchFailed): boolean =>
  !mayHaveCommitted && reason._tag === "UniqueViolation"

/**
 * Not in a caller's transaction: what it holds from before a command stays held when the command is taken back, so the
 * next try would meet the same deadlock.
 */
const isWorthRetrying = (failed: BatchFailed): boolean =>
  isLostRace(failed) ||
  (!failed.mayHaveCommitted &&
    (failed.error.reason._tag === "DeadlockError" || failed.error.reason._tag === "SerializationError"))

const retrySchedule = Schedule.jittered(Schedule.exponential("5 millis"))

interface Decided {
  readonly outcomes: ReadonlyArray<Outcome>
  readonly pending: ReadonlyArray<PendingEvent>
  readonly changes: ReadonlyArray<RowChange>
  readonly createdCards: ReadonlySet<CardId>
}

/**
 * Claims go first: the commands of a batch were all under way at once, so any order is one that could have been, and
 * the cards that claims may take were locked before anything was decided.
 */
const inOrder = (commands: ReadonlyArray<Command>): ReadonlyArray<readonly [index: number, command: Command]> => {
  const rank = (command: Command): number => (command._tag !== "Claim" ? 2 : command.id === undefined ? 1 : 0)
  return commands
    .map((command, index) => [index, command] as const)
    .sort(([left, a], [right, b]) => rank(a) - rank(b) || left - right)
}

const decideAll = ({ now, state }: Loaded, commands: ReadonlyArray<Command>): Decided => {
  const outcomes: Array<Outcome> = []
  const pending: Array<PendingEvent> = []
  const changes: Array<RowChange> = []
  const createdCards = new Set<CardId>()

  const apply = (command: Command, decided: DecidedEvent, occurredAt: DateTime.Utc): ReadonlyArray<CardId> => {
    const event: PendingEvent = {
      ...decided,
      version: (state.card(decided.cardId)?.version ?? 0) + 1,
      occurredAt,
      actor: command.actor,
      correlationId: command.correlationId ?? null,
      causationId: command.causationId ?? null,
      commandId: command.commandId ?? null
    }
    const madeClaimable: Array<CardId> = []
    for (const change of rowChanges(state, event)) {
      state.apply(change)
      changes.push(change)
      if (change._tag === "UnmetDependenciesChanged" && change.cardId !== decided.cardId) {
        const standing = state.standing(change.cardId)
        if (standing !== undefined && isClaimable(standing, standing.unmetDependencies, now)) {
          madeClaimable.push(change.cardId)
        }
      }
    }
    if (event.event._tag === "CardCreated") createdCards.add(event.cardId)
    pending.push(event)
    return madeClaimable
  }

  for (const [index, command] of inOrder(commands)) {
    const decision = decide(state, command, now)
    if (Result.isFailure(decision)) {
      outcomes[index] = Result.fail(decision.failure)
      continue
    }
    const businessTimes = businessTimesOf(command)
    const madeClaimable = decision.success.flatMap((event) =>
      apply(command, event, businessTimes.get(event.cardId) ?? now)
    )
    outcomes[index] = Result.succeed(
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
  return { outcomes, pending, changes, createdCards }
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
  switch (command._tag) {
    case "Create":
      return createdOrKnown(command.id, command.idempotencyKey)
    case "CreateMany":
      return command.cards.map((entry) => createdOrKnown(entry.id, entry.idempotencyKey))
    case "Claim": {
      const claimed = events.find(({ event }) => event._tag === "CardClaimed")
      return claimed === undefined ? Option.none() : Option.some(card(claimed.cardId))
    }
    case "Reclaim":
      return events.map((event) => event.cardId)
    case "Complete":
      return { ...card(command.id), madeClaimable }
    case "Link":
    case "Unlink":
      return card(command.from)
    default:
      return card(command.id)
  }
}
