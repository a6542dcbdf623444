import { Context, Effect, Layer, Option, Result, Schedule } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { Command } from "../domain/Command.ts"
import { CommandIdConflict } from "../domain/Rejection.ts"
import { EventLog } from "../events/EventLog.ts"
import { footprintOf } from "../projections/Footprint.ts"
import { ReadModel } from "../projections/ReadModel.ts"
import type { BatchFailed } from "./BatchFailed.ts"
import { BatchTransaction } from "./BatchTransaction.ts"
import { fingerprintOf } from "./commandFingerprint.ts"
import { decideBatch, type FirstOutcome, type Outcome } from "./decideBatch.ts"
import { cardsOf, outcomeOf, type Receipt, receiptOutcomeOf } from "./Receipt.ts"
import { Receipts } from "./Receipts.ts"

/** How often a batch is tried that the database asked to try again. */
const maximumTries = 8

/**
 * Carries out commands, and is the only writer: a batch in one transaction, each command seeing the state that those
 * before it left. A refused command changes no card and disturbs no other.
 */
export class Interpreter extends Context.Service<
  Interpreter,
  {
    /**
     * Carries out commands in one transaction, or in the caller's where one is open, and answers each in its place.
     * A command whose id has a receipt gets the outcome that it names, and does nothing. Lost races for a card's id, a
     * command's id or an idempotency key and, in a transaction of its own, deadlocks and serialization failures are
     * retried a bounded number of times.
     */
    readonly run: (commands: ReadonlyArray<Command>) => Effect.Effect<ReadonlyArray<Outcome>, BatchFailed>
    /** How many batches can be under way at the same time; one more would wait for its connection. */
    readonly batchesAtOnce: number
    /**
     * Takes the lock under which every batch appends, and commits with it: what keeps this from happening keeps commands
     * from it.
     */
    readonly probe: Effect.Effect<void, BatchFailed>
    /** For how many milliseconds the server has left a batch without an answer, where that is longer than it should be. */
    readonly stuckMillis: () => number | undefined
  }
>()("mosaic-backlog/services/Interpreter") {
  static readonly layer: Layer.Layer<Interpreter, never, SqlClient.SqlClient | EventLog | ReadModel | Receipts> =
    Layer.effect(
      Interpreter,
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const log = yield* EventLog
        const readModel = yield* ReadModel
        const receipts = yield* Receipts
        const transaction = yield* BatchTransaction

        /** What commands with an id led to in earlier transactions. */
        const firstOutcomes = Effect.fnUntraced(function* (commands: ReadonlyArray<Command>) {
          const known = new Map<string, FirstOutcome>()
          const commandIds = commands.flatMap(({ commandId }) => commandId ?? [])
          if (commandIds.length === 0) return known
          const found = yield* receipts.find(commandIds)
          const same: Array<readonly [Command, Receipt]> = []
          for (const command of commands) {
            const receipt = command.commandId === undefined ? undefined : found.get(command.commandId)
            if (receipt === undefined) continue
            const { commandId, fingerprint } = receipt
            if (fingerprintOf(command) === fingerprint) same.push([command, receipt])
            // What a command with other content would have been answered, its receipt does not say.
            else known.set(commandId, { fingerprint, outcome: Result.fail(new CommandIdConflict({ commandId })) })
          }
          const cardAt = yield* (
            receipts
              .cardsAt(same.flatMap(([, { outcome }]) => cardsOf(outcome)))
              // Nothing can be answered from a log that is damaged, and no caller has done anything wrong.
              .pipe(Effect.catchTags({ DamagedEvent: Effect.die, UndecodableEvent: Effect.die }))
          )
          for (const [command, { commandId, fingerprint, outcome }] of same) {
            known.set(commandId, { fingerprint, outcome: outcomeOf(command, outcome, cardAt) })
          }
          return known
        })

        const attempt = Effect.fnUntraced(function* (commands: ReadonlyArray<Command>) {
          const [known, ofAll] = yield* Effect.all(
            [firstOutcomes(commands), readModel.lockAndLoad(footprintOf(commands))],
            {
              concurrency: "unbounded"
            }
          )
          const isNew = ({ commandId }: Command) => commandId === undefined || !known.has(commandId)
          // A claim that was carried out before may have had the best card put aside for it.
          const loaded = known.size === 0 ? ofAll : yield* readModel.lockAndLoad(footprintOf(commands.filter(isNew)))
          const decided = decideBatch(loaded, commands, known)
          const writes: Array<Effect.Effect<unknown, SqlError.SqlError>> = []
          if (decided.pending.length > 0) {
            writes.push(
              ...log.append(decided.pending, loaded.generation),
              ...readModel.writes({ ...decided, ...loaded, events: decided.pending })
            )
          }
          if (decided.first.size > 0) {
            writes.push(
              receipts.write(
                [...decided.first].map(([commandId, { command, fingerprint, outcome }]) => ({
                  commandId,
                  fingerprint,
                  outcome: receiptOutcomeOf(command, outcome)
                }))
              )
            )
          }
          if (writes.length === 0 && restsOnWrites(decided.outcomes, known)) writes.push(log.awaitStandby)
          const afterCommit = decided.pending.length > 0 ? log.announce : Effect.void
          return { answer: decided.outcomes, writes, afterCommit }
        })

        const run = (commands: ReadonlyArray<Command>) =>
          Effect.flatMap(Effect.serviceOption(sql.transactionService), (callers) =>
            Effect.retry(transaction.run(attempt(commands)), {
              while: Option.isSome(callers) ? isLostRace : isWorthRetrying,
              times: maximumTries - 1,
              schedule: retrySchedule
            })
          )

        return Interpreter.of({
          run,
          batchesAtOnce: transaction.atOnce,
          stuckMillis: transaction.stuckMillis,
          probe: transaction.run(
            Effect.succeed({ answer: undefined, writes: [log.head("lock")], afterCommit: Effect.void })
          )
        })
      })
    ).pipe(Layer.provide(BatchTransaction.layer))
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
const restsOnWrites = (outcomes: ReadonlyArray<Outcome>, known: ReadonlyMap<string, FirstOutcome>): boolean =>
  known.size > 0 || outcomes.some((outcome) => Result.isFailure(outcome) || !isNothing(outcome.success))

const isNothing = (answer: Result.Result.Success<Outcome>): boolean =>
  Option.isOption(answer) ? Option.isNone(answer) : Array.isArray(answer) && answer.length === 0

const retrySchedule = Schedule.jittered(Schedule.exponential("5 millis"))
