import { Context, type DateTime, Effect, Layer, Option, Result, Schedule } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { CardId } from "../../domain/CardId.ts"
import { isClaimable } from "../../domain/Claimability.ts"
import type { Command } from "../../domain/Command.ts"
import { decide } from "../../domain/decide.ts"
import type { DecidedEvent } from "../../domain/Event.ts"
import { CommandIdConflict } from "../../domain/Rejection.ts"
import { EventLog, type PendingEvent } from "../../events/EventLog.ts"
import { planLocks } from "../../projections/LockPlan.ts"
import { type LockedState, ReadModel } from "../../projections/ReadModel.ts"
import { type RowChange, rowChanges } from "../../projections/rowChanges.ts"
import { type BatchFailed, BatchTransaction } from "./BatchTransaction.ts"
import { answerOf, type Outcome } from "./Outcome.ts"
import {
  cardsOf,
  type CommandDigests,
  digestsOf,
  outcomeOf,
  receiptKey,
  receiptOf,
  receiptOutcomeOf,
  saySame
} from "./Receipt.ts"
import { Receipts } from "./Receipts.ts"

/** How often a batch is tried that the database asked to try again. */
const maxTries = 8

/**
 * Carries out commands, and is the only writer: a batch in one transaction, each command seeing the state that those
 * before it left. A refused command changes no card and disturbs no other.
 */
export class Interpreter extends Context.Service<
  Interpreter,
  {
    /**
     * Carries out commands in one transaction, or in the caller's where one is open, and answers each in its place.
     * A command whose actor has a receipt under its id gets the outcome that it names, and does nothing. Lost races for
     * a card's id, a command's id or an idempotency key and, in a transaction of its own, deadlocks and serialization
     * failures are retried a bounded number of times.
     */
    readonly run: (commands: ReadonlyArray<Command>) => Effect.Effect<ReadonlyArray<Outcome>, BatchFailed>
    /** How many batches can be under way at the same time; one more would wait for its connection. */
    readonly maxConcurrentBatches: number
    /**
     * Takes the lock under which every batch appends, and commits with it: what keeps this from happening keeps commands
     * from it.
     */
    readonly probe: Effect.Effect<void, BatchFailed>
    /** For how many milliseconds the server has left a batch without an answer, where that is longer than it should be. */
    readonly stuckMillis: () => number | undefined
  }
>()("mosaic-backlog/services/Interpreter") {
  static readonly layer: Layer.Layer<
    Interpreter,
    never,
    SqlClient.SqlClient | EventLog | ReadModel | Receipts | BatchTransaction
  > = Layer.effect(
    Interpreter,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const log = yield* EventLog
      const readModel = yield* ReadModel
      const receipts = yield* Receipts
      const transaction = yield* BatchTransaction

      /** What commands with an id led to in earlier transactions. */
      const firstOutcomes = Effect.fnUntraced(function* (commands: ReadonlyArray<Command>) {
        const known = new Map<Command, Outcome>()
        const found = yield* receipts.find(commands)
        if (found.size === 0) return known
        const cardAt = yield* (
          receipts
            .cardsAt([...found.values()].flatMap(({ isSame, outcome }) => (isSame ? cardsOf(outcome) : [])))
            // Nothing can be answered from a log that is damaged, and no caller has done anything wrong.
            .pipe(Effect.catchTags({ DamagedEvent: Effect.die, UndecodableEvent: Effect.die }))
        )
        for (const [command, { isSame, outcome }] of found) {
          const { commandId = "" } = command
          // What a command with other content would have been answered, its receipt does not say.
          const answer = isSame
            ? outcomeOf(command, outcome, cardAt)
            : Result.fail(new CommandIdConflict({ commandId }))
          known.set(command, answer)
        }
        return known
      })

      const attempt = Effect.fnUntraced(function* (commands: ReadonlyArray<Command>) {
        const [known, ofAll] = yield* Effect.all(
          [firstOutcomes(commands), readModel.lockInOrder(planLocks(commands))],
          {
            concurrency: "unbounded"
          }
        )
        const isNew = (command: Command) => !known.has(command)
        // A claim that was carried out before may have had the best card put aside for it.
        const loaded = known.size === 0 ? ofAll : yield* readModel.lockInOrder(planLocks(commands.filter(isNew)))
        const decided = decideBatch(loaded, commands, known)
        const writes: Array<Effect.Effect<unknown, SqlError.SqlError>> = []
        if (decided.pending.length > 0) {
          writes.push(
            ...log.append(decided.pending, loaded.generation),
            ...readModel.writes({ ...decided, ...loaded, events: decided.pending })
          )
        }
        if (decided.first.length > 0) {
          writes.push(
            receipts.write(
              decided.first.map(({ command, commandId, digests, outcome }) =>
                receiptOf(command, commandId, digests, receiptOutcomeOf(command, outcome))
              )
            )
          )
        }
        if (writes.length === 0 && restsOnWrites(decided.outcomes, known)) writes.push(log.awaitStandby)
        const afterCommit = decided.pending.length > 0 ? log.notifyCommit : Effect.void
        return { answer: decided.outcomes, writes, afterCommit }
      })

      const run = (commands: ReadonlyArray<Command>) =>
        Effect.flatMap(Effect.serviceOption(sql.transactionService), (callers) =>
          Effect.retry(transaction.run(attempt(commands)), {
            while: Option.isSome(callers) ? isLostRace : isWorthRetrying,
            times: maxTries - 1,
            schedule: retrySchedule
          })
        )

      return Interpreter.of({
        run,
        maxConcurrentBatches: transaction.maxConcurrent,
        stuckMillis: transaction.stuckMillis,
        probe: transaction.run(
          Effect.succeed({ answer: undefined, writes: [log.head("lock")], afterCommit: Effect.void })
        )
      })
    })
  )
}

/** Somebody else created the card, or used the key or the command's id meanwhile: the next try sees it. */
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

/**
 * Whether an answer says something that a failover could take back while it has not reached the standby: the outcome of
 * an earlier command, a state that a command found as it wants it, or a refusal, which rests on the state of a card. That
 * there was nothing to claim or to reclaim says nothing of that kind.
 */
const restsOnWrites = (outcomes: ReadonlyArray<Outcome>, known: ReadonlyMap<Command, Outcome>): boolean =>
  known.size > 0 || outcomes.some((outcome) => Result.isFailure(outcome) || !isNothing(outcome.success))

const isNothing = (answer: Result.Result.Success<Outcome>): boolean =>
  Option.isOption(answer) ? Option.isNone(answer) : Array.isArray(answer) && answer.length === 0

const retrySchedule = Schedule.jittered(Schedule.exponential("5 millis"))

/** A command with an id that was decided for the first time, and what it led to. */
export interface FirstOutcome {
  readonly command: Command
  readonly commandId: string
  readonly digests: CommandDigests
  readonly outcome: Outcome
}

/** What was decided on a batch: an outcome for each command, and what is to be written. */
interface DecidedBatch {
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
      answerOf(
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
