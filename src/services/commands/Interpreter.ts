import { Context, DateTime, Effect, Layer, Option, Result, Schedule, Stream } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { noAttempts } from "../../domain/Attempts.ts"
import type { CardId } from "../../domain/CardId.ts"
import { isClaimable } from "../../domain/Claimability.ts"
import type { Command, IdentifiedCommand } from "../../domain/Command.ts"
import { decide } from "../../domain/decide.ts"
import type { DecidedEvent } from "../../domain/Event.ts"
import { CommandIdConflict } from "../../domain/Rejection.ts"
import { EventLog } from "../../events/EventLog.ts"
import type { PendingEvent } from "../../events/eventLines.ts"
import { decodeStoredEvent, type StoredEvent } from "../../events/StoredEvent.ts"
import { planLocks, type ProposedIds } from "../../projections/LockPlan.ts"
import type { Loaded, LockedState, ReceiptColumns } from "../../projections/lockAndLoad.ts"
import { ReadModel } from "../../projections/ReadModel.ts"
import { type RowChange, rowChanges } from "../../projections/rowChanges.ts"
import { DatabaseClock } from "../../sql/DatabaseClock.ts"
import { type Batch, type BatchFailed, BatchTransaction, type Decided } from "./BatchTransaction.ts"
import { GeneratedIdPrefix, proposeMissingIds, requireIdPrefix, withChosenIds } from "./generateIds.ts"
import { answerOf, type Outcome } from "./Outcome.ts"
import {
  cardsInOutcome,
  type CommandDigests,
  computeDigests,
  toOutcome,
  receiptKey,
  makeReceipt,
  toReceiptOutcome,
  haveSameContent
} from "./Receipt.ts"
import { makeOptimisticDecisions } from "./optimisticDecisions.ts"
import { RememberedClaims } from "./RememberedClaims.ts"
import { matchReceipts, receiptNames, Receipts, toReceiptLines } from "./Receipts.ts"

/** Number of additional cards that are locked for claims when a card has used up its attempts. */
const exhaustedAtOnce = 100

/** Maximum number of attempts for a batch that lost a race or was chosen as the victim of a deadlock. */
const maxTries = 8

/**
 * Runs commands, and is the only writer of the log and the read model. A batch runs in one transaction:
 *
 * 1. Lock the cards and the graph, and load the facts (`ReadModel.lockAndLoad`; the lock order is at the top of `ReadModel.ts`).
 * 2. Decide the commands one after the other, each on the state after the previous ones (`decideBatch`).
 * 3. Append the events and write the rows and receipts, with COMMIT in the same round trip on a server.
 *
 * A single claim or completion that can be decided before anything is loaded is one statement: see `optimisticDecisions.ts`.
 *
 * A refused command changes no card and does not affect the others.
 */
export class Interpreter extends Context.Service<
  Interpreter,
  {
    /**
     * Runs commands in one transaction, or in the caller's where one is open, and returns their outcomes in order. A
     * command with a receipt does nothing and has the outcome of the receipt. Lost races for a card id, a command id or an
     * idempotency key are retried up to 8 times, and so are deadlocks and serialization failures, unless the transaction is
     * the caller's.
     */
    readonly run: (commands: ReadonlyArray<Command>) => Effect.Effect<ReadonlyArray<Outcome>, BatchFailed>
    /** Maximum number of batches that can run at the same time. */
    readonly maxConcurrentBatches: number
    /** Takes the lock under which every batch appends, and commits. It fails or blocks exactly when commands do. */
    readonly probe: Effect.Effect<void, BatchFailed>
    /** The time in milliseconds for which the server has not responded to a batch, if that is too long; otherwise `undefined`. */
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
      const idPrefix = requireIdPrefix(yield* GeneratedIdPrefix)
      const { override } = yield* DatabaseClock
      const claims = new RememberedClaims()

      /** The outcomes of commands that have a receipt from an earlier transaction. */
      const findEarlierOutcomes = Effect.fnUntraced(function* (
        commands: ReadonlyArray<Command>,
        loaded: ReadonlyArray<ReceiptColumns>
      ) {
        const found = matchReceipts(commands, loaded)
        const cardAt = yield* (
          receipts
            .cardsAt([...found.values()].flatMap(({ isSame, outcome }) => (isSame ? cardsInOutcome(outcome) : [])))
            // A damaged log is a defect: the caller cannot do anything about it.
            .pipe(Effect.catchTags({ DamagedEvent: Effect.die, UndecodableEvent: Effect.die }))
        )
        const earlier = new Map<Command, Outcome>()
        for (const [command, { isSame, outcome }] of found) {
          const { commandId = "" } = command
          const outcomeNow = isSame
            ? toOutcome(command, outcome, cardAt)
            : Result.fail(new CommandIdConflict({ commandId }))
          earlier.set(command, outcomeNow)
        }
        return earlier
      })

      const decideLoaded = (
        locked: LockedState,
        commands: ReadonlyArray<Command>,
        earlier: ReadonlyMap<Command, Outcome>,
        proposedIds: ProposedIds,
        needed: ReadonlySet<CardId> = noCards
      ): Effect.Effect<Decided<ReadonlyArray<Outcome>>, SqlError.SqlError> => {
        const decided = decideBatch(locked, commands, earlier, proposedIds)
        const lacking = locked.state.lackingAttempts
        if (lacking.size === 0) return Effect.succeed(bindDecided(locked, decided))
        // Each round knows the attempts at more cards, so that this ends.
        const next = new Set([...needed, ...lacking])
        return Effect.flatMap(loadAttempts(commands, earlier, proposedIds, next), (complete) =>
          decideLoaded(complete, commands, earlier, proposedIds, next)
        )
      }

      /**
       * Loads a batch again, now with the attempts at the cards that a decision needed, and at those that may have used them
       * up. Its locks are held already, so a decision on what is loaded here lacks attempts only at cards that this batch
       * claims, or that became claimable meanwhile.
       */
      const loadAttempts = Effect.fnUntraced(function* (
        commands: ReadonlyArray<Command>,
        earlier: ReadonlyMap<Command, Outcome>,
        proposedIds: ProposedIds,
        needed: ReadonlySet<CardId>
      ) {
        const undecided = commands.filter((command) => !earlier.has(command))
        const locked = yield* readModel.lockAndLoad(planLocks(undecided, { proposedIds, spares: exhaustedAtOnce }))
        const least = leastMaxAttempts(undecided)
        const exhausted = [...locked.state.cards()].filter(({ attempts }) => attempts >= least).map(({ id }) => id)
        const ids = [...new Set([...needed, ...exhausted])]
        for (const id of ids) locked.state.putAttempts(id, noAttempts)
        const addEvent = (stored: StoredEvent) =>
          Effect.map(Effect.fromResult(decodeStoredEvent(stored)), (event) =>
            locked.state.recordAttempt({ ...stored, event, occurredAt: DateTime.makeUnsafe(stored.occurredAt) })
          )
        yield* Stream.runForEach(log.streams(Number.MAX_SAFE_INTEGER, ids), addEvent).pipe(
          // A damaged log is a defect: the caller cannot do anything about it.
          Effect.catchTags({ DamagedEvent: Effect.die, UndecodableEvent: Effect.die })
        )
        return locked
      })

      const bindDecided = (
        locked: LockedState,
        { changes, createdCards, first, outcomes, pending }: DecidedBatch
      ): Decided<ReadonlyArray<Outcome>> => {
        const isUnchanged = pending.length === 0 && first.length === 0
        const writes = isUnchanged
          ? []
          : readModel.bindWrites({
              locked,
              pending,
              changes,
              createdCards,
              receipts: toReceiptLines(
                first.map(({ command, commandId, digests, outcome }) =>
                  makeReceipt(command, commandId, digests, toReceiptOutcome(command, outcome))
                )
              )
            })
        const appends = pending.length > 0
        const { awaitStandby: awaitSeen, readEnd } = readModel
        return {
          answer: outcomes,
          writes,
          appends,
          events: pending.length,
          readEnd,
          awaitSeen,
          afterCommit: appends ? log.notifyCommit : Effect.void,
          remember: (position) => rememberClaims(locked, pending, position)
        }
      }

      const rememberClaims = (
        { generation, state }: LockedState,
        events: ReadonlyArray<PendingEvent>,
        lastPosition: number
      ): void => {
        events.forEach(({ cardId, version }, index) => {
          const card = state.card(cardId)
          claims.remember(
            cardId,
            card?.version === version ? card : undefined,
            lastPosition - (events.length - 1 - index),
            generation
          )
        })
      }

      const decideOptimistically = makeOptimisticDecisions(readModel, claims, override, log.notifyCommit)

      const toBatch = (commands: ReadonlyArray<Command>): Batch<ReadonlyArray<Outcome>> => {
        const proposedIds = proposeMissingIds(commands, idPrefix)
        return {
          bindLoad: (idleMillis) =>
            readModel.bindLoad(planLocks(commands, { proposedIds }), receiptNames(commands), idleMillis),
          decide: (rows) =>
            Effect.flatMap(readModel.decodeLoaded(rows), (loaded) => {
              claims.noteMoment(loaded.now, loaded.generation)
              return loaded.receipts.length === 0
                ? decideLoaded(loaded, commands, noOutcomes, proposedIds)
                : runAgain(commands, loaded, proposedIds)
            }),
          decideOptimistically: () => decideOptimistically(commands)
        }
      }

      /** Runs a batch with commands that have a receipt. The locks include candidates for their claims: plan without these. */
      const runAgain = Effect.fnUntraced(function* (
        commands: ReadonlyArray<Command>,
        loaded: Loaded,
        proposedIds: ProposedIds
      ) {
        const earlier = yield* findEarlierOutcomes(commands, loaded.receipts)
        const undecided = commands.filter((command) => !earlier.has(command))
        const locked = earlier.size === 0 ? loaded : yield* readModel.lockAndLoad(planLocks(undecided, { proposedIds }))
        return yield* decideLoaded(locked, commands, earlier, proposedIds)
      })

      const run = (commands: ReadonlyArray<Command>) =>
        Effect.flatMap(Effect.serviceOption(sql.transactionService), (callers) =>
          retryBatch(transaction.run(toBatch(commands)), Option.isSome(callers) ? isLostRace : isWorthRetrying)
        )

      return Interpreter.of({
        run,
        maxConcurrentBatches: transaction.maxConcurrent,
        stuckMillis: transaction.stuckMillis,
        probe: transaction.run({
          bindLoad: () => readModel.lockHead,
          // It commits as a batch that appends events.
          decide: () =>
            Effect.succeed({
              answer: undefined,
              writes: [],
              appends: true,
              events: 0,
              readEnd: readModel.readEnd,
              awaitSeen: readModel.awaitStandby,
              afterCommit: Effect.void
            })
        })
      })
    })
  )
}

/** Retries a batch up to `maxTries` attempts in all. A schedule costs time, so only a batch that failed gets one. */
const retryBatch = <A>(
  attempt: Effect.Effect<A, BatchFailed>,
  isWorthIt: (failed: BatchFailed) => boolean
): Effect.Effect<A, BatchFailed> =>
  Effect.catchIf(attempt, isWorthIt, () =>
    Effect.retry(Effect.delay(attempt, "5 millis"), { while: isWorthIt, times: maxTries - 2, schedule: retrySchedule })
  )

/** Another transaction used the card id, the key or the command id first. The next attempt sees it. */
const isLostRace = ({ error: { reason }, mayHaveCommitted }: BatchFailed): boolean =>
  !mayHaveCommitted && reason._tag === "UniqueViolation"

/**
 * Deadlocks are not retried in a caller's transaction: it keeps the locks from before the command, so the next attempt would
 * deadlock again.
 */
const isWorthRetrying = (failed: BatchFailed): boolean =>
  isLostRace(failed) ||
  (!failed.mayHaveCommitted &&
    (failed.error.reason._tag === "DeadlockError" || failed.error.reason._tag === "SerializationError"))

const retrySchedule = Schedule.jittered(Schedule.exponential("5 millis"))

/** The outcome of a command with an id that has no receipt yet. */
export interface FirstOutcome {
  readonly command: Command
  readonly commandId: string
  readonly digests: CommandDigests
  readonly outcome: Outcome
}

/** The outcomes of a batch, and what it writes. */
interface DecidedBatch {
  readonly outcomes: ReadonlyArray<Outcome>
  readonly pending: ReadonlyArray<PendingEvent>
  readonly changes: ReadonlyArray<RowChange>
  readonly createdCards: ReadonlySet<CardId>
  /** The outcomes to write receipts for. */
  readonly first: ReadonlyArray<FirstOutcome>
}

/**
 * Claims go first, those by id before the others, since the cards that they may take were locked before anything was decided.
 * The commands of a batch are concurrent, so any order is valid.
 */
const orderForDecision = (
  commands: ReadonlyArray<Command>
): ReadonlyArray<readonly [index: number, command: Command]> => {
  return commands
    .map((command, index) => [index, command] as const)
    .sort(([left, a], [right, b]) => rank(a) - rank(b) || left - right)
}

/**
 * Decides a batch, each command on the state after the previous ones. A command whose id its actor used before has the first
 * outcome, from `earlier` transactions or from this batch.
 */
export const decideBatch = (
  { now, state }: Pick<LockedState, "now" | "state">,
  commands: ReadonlyArray<Command>,
  earlier: ReadonlyMap<Command, Outcome>,
  proposedIds: ProposedIds
): DecidedBatch => {
  const first = new Map<string, FirstOutcome>()
  const outcomes: Array<Outcome> = []
  const pending: Array<PendingEvent> = []
  const changes: Array<RowChange> = []
  const createdCards = new Set<CardId>()

  const apply = (
    command: IdentifiedCommand,
    decided: DecidedEvent,
    occurredAt: DateTime.Utc
  ): ReadonlyArray<CardId> => {
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
    state.recordAttempt(event)
    for (const change of rowChanges(state, event)) {
      state.apply(change)
      changes.push(change)
      if (change._tag === "UnmetDependenciesChanged" && change.cardId !== decided.cardId) {
        const summary = state.summary(change.cardId)
        if (summary !== undefined && isClaimable(summary, summary.unmetDependencies, now)) {
          ;(madeClaimable ??= []).push(change.cardId)
        }
      }
    }
    if (event.event._tag === "CardCreated") createdCards.add(event.cardId)
    pending.push(event)
    return madeClaimable ?? none
  }

  const decideNext = (submitted: Command): Outcome => {
    const command = withChosenIds(submitted, proposedIds, (id) => state.exists(id))
    const decision = decide(state, command, now)
    if (Result.isFailure(decision)) return Result.fail(decision.failure)
    const occurredAt = occurredAtByCard(command)
    const madeClaimable = decision.success.flatMap((event) =>
      apply(command, event, occurredAt.get(event.cardId) ?? now)
    )
    return Result.succeed(
      answerOf(
        command,
        decision.success,
        madeClaimable,
        (id) => {
          const card = state.card(id)
          if (card === undefined) throw new Error(`card ${id} was decided but not loaded`)
          return card
        },
        (key) => state.cardWithKey(key)
      )
    )
  }

  for (const [index, command] of orderForDecision(commands)) {
    const { commandId } = command
    if (commandId === undefined) {
      outcomes[index] = decideNext(command)
      continue
    }
    const fromReceipt = earlier.get(command)
    if (fromReceipt !== undefined) {
      outcomes[index] = fromReceipt
      continue
    }
    const digests = computeDigests(command)
    const key = receiptKey({ actor: command.actor, commandId })
    const sameId = first.get(key)
    if (sameId === undefined) {
      const outcome = decideNext(command)
      outcomes[index] = outcome
      first.set(key, { command, commandId, digests, outcome })
    } else {
      outcomes[index] = haveSameContent(sameId.digests, digests)
        ? sameId.outcome
        : Result.fail(new CommandIdConflict({ commandId }))
    }
  }
  return { outcomes, pending, changes, createdCards, first: [...first.values()] }
}

const none: ReadonlyArray<CardId> = []

const noCards: ReadonlySet<CardId> = new Set()

const noOutcomes: ReadonlyMap<Command, Outcome> = new Map()

/** The least number of attempts that a command of a batch specifies. */
const leastMaxAttempts = (commands: ReadonlyArray<Command>): number => {
  let least = Infinity
  for (const command of commands) {
    if (command._tag === "Claim" || command._tag === "ClaimMany" || command._tag === "Release") {
      least = Math.min(least, command.maxAttempts ?? Infinity)
    } else if (command._tag === "Complete") least = Math.min(least, command.claimNext?.maxAttempts ?? Infinity)
  }
  return least
}

const rank = (command: Command): number => {
  if (command._tag === "Claim") return command.id === undefined ? 1 : 0
  if (command._tag === "ClaimMany") return 1
  return command._tag === "Complete" && command.claimNext !== undefined ? 2 : 3
}

/** The times at which imported cards were created. */
const occurredAtByCard = (command: IdentifiedCommand): ReadonlyMap<CardId, DateTime.Utc> => {
  if (command._tag !== "Create" && command._tag !== "CreateMany") return noTimes
  const times = new Map<CardId, DateTime.Utc>()
  for (const card of command._tag === "Create" ? [command] : command.cards) {
    if (card.occurredAt !== undefined) times.set(card.id, card.occurredAt)
  }
  return times
}

const noTimes: ReadonlyMap<CardId, DateTime.Utc> = new Map()
