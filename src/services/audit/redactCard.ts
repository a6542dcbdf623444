import { Effect, Result, Stream } from "effect"
import { SqlClient } from "effect/sql"
import type { Card } from "../../domain/Card.ts"
import { type EventParts, redactedText } from "../../domain/Event.ts"
import { type Redact, redact } from "../../domain/Redaction.ts"
import { CardNotFound, CommandIdConflict } from "../../domain/Rejection.ts"
import type { EventLog } from "../../events/EventLog.ts"
import { erasableParts } from "../../events/StoredEvent.ts"
import type { CardId } from "../../domain/CardId.ts"
import { planCardLock, planLocks } from "../../projections/LockPlan.ts"
import type { RowChange } from "../../projections/rowChanges.ts"
import type { ReadModel } from "../../projections/ReadModel.ts"
import { foldCards, type ReadFailure } from "../../projections/foldCards.ts"
import { deleteShadowRow, dropAbandonedCopies, lockShadowSchema } from "../../projections/shadowTables.ts"
import type { Erasure, Erasures } from "./Erasures.ts"
import { cardsInOutcome, computeDigests, makeReceipt, type ReceiptOutcome } from "../commands/Receipt.ts"
import { forgetDigests, matchReceipts, receiptNames, type Receipts, toReceiptLines } from "../commands/Receipts.ts"
import { executeInOrder } from "../../sql/bulkStatements.ts"
import { inTransaction, beginReadCommitted } from "../../sql/inTransaction.ts"
import { executeStatement } from "../../sql/prepareStatement.ts"

/** A card after a redaction, and the parts of its events that were erased. Empty if everything was erased before. */
export interface ErasedCard {
  readonly card: Card
  readonly erased: ReadonlyArray<EventParts>
}

/** A card after a redaction, what was erased, and whether its bytes are still in the data files. */
export interface RedactedCard extends ErasedCard {
  /**
   * `removed from pages` if no redaction of this card is pending; `erased from reads` while old row versions and the free
   * space of pages may still have its bytes.
   */
  readonly state: Erasure["state"]
}

/** The services that a redaction uses. */
interface RedactContext {
  readonly sql: SqlClient.SqlClient
  readonly schema: string
  readonly log: EventLog["Service"]
  readonly readModel: ReadModel["Service"]
  readonly receipts: Receipts["Service"]
  readonly erasures: Erasures["Service"]
}

/** Redacts a card. A command with an id is carried out once, and a retry returns the first result: see `BacklogService`. */
export const redactCard = Effect.fnUntraced(function* (context: RedactContext, command: Redact) {
  const { commandId } = command
  const redacted = yield* commandId === undefined
    ? eraseParts(context, command)
    : erasePartsOnce(context, command, commandId)
  const isPending = yield* context.erasures.isPending(command.id)
  return { ...redacted, state: isPending ? "erased from reads" : "removed from pages" } satisfies RedactedCard
})

/** Maximum number of attempts when other commands with the same id commit first. */
const maxTries = 8

/** Erases parts and writes a receipt in the same transaction, or returns the outcome of the receipt that exists. */
const erasePartsOnce = (
  context: RedactContext,
  command: Redact,
  commandId: string
): Effect.Effect<ErasedCard, CardNotFound | CommandIdConflict | ReadFailure> => {
  const { readModel, receipts, sql } = context
  const taggedCommand = { ...command, _tag: "Redact" } as const

  const repeatOutcome = Effect.fnUntraced(function* (outcome: ReceiptOutcome) {
    if (outcome._tag === "Refused") return yield* outcome.rejection as CardNotFound
    const cardAt = yield* receipts.cardsAt(cardsInOutcome(outcome))
    if (outcome._tag !== "Redacted") throw new Error("the receipt of a redaction belongs to another command")
    return { card: cardAt(outcome.card), erased: outcome.erased }
  })

  const once = Effect.gen(function* () {
    const { receipts: rows } = yield* readModel.lockAndLoad(planLocks([]), receiptNames([taggedCommand]))
    const found = matchReceipts([taggedCommand], rows).get(taggedCommand)
    if (found !== undefined) {
      yield* executeStatement(sql)(readModel.awaitStandby)
      if (!found.isSame) return Result.fail(new CommandIdConflict({ commandId }))
      return yield* refusalAsResult(repeatOutcome(found.outcome))
    }
    const redacted = yield* refusalAsResult(eraseParts(context, command))
    const outcome: ReceiptOutcome = Result.isFailure(redacted)
      ? { _tag: "Refused", rejection: redacted.failure }
      : {
          _tag: "Redacted",
          card: { id: redacted.success.card.id, version: redacted.success.card.version },
          erased: redacted.success.erased
        }
    const receipt = makeReceipt(command, commandId, computeDigests(taggedCommand), outcome)
    const locked = yield* readModel.lockAndLoad(planLocks([]))
    yield* executeInOrder(
      sql,
      readModel.bindWrites({
        locked,
        pending: [],
        changes: [],
        createdCards: new Set(),
        receipts: toReceiptLines([receipt])
      })
    )
    return redacted
  }).pipe(
    inTransaction(sql),
    Effect.provideService(SqlClient.BeginTransaction, beginReadCommitted),
    Effect.retry({ while: isUniqueViolation, times: maxTries - 1 })
  )
  return Effect.flatMap(once, (result) => Effect.fromResult<ErasedCard, CardNotFound | CommandIdConflict>(result))
}

/** A refusal as a value: its receipt is written too, so the refusal must not end the transaction. */
const refusalAsResult = <A>(redaction: Effect.Effect<A, CardNotFound | ReadFailure>) =>
  redaction.pipe(
    Effect.map((redacted): Result.Result<A, CardNotFound> => Result.succeed(redacted)),
    Effect.catchTag("CardNotFound", (refusal) => Effect.succeed(Result.fail(refusal)))
  )

const isUniqueViolation = (error: ReadFailure): boolean =>
  error._tag === "SqlError" && error.reason._tag === "UniqueViolation"

/**
 * Erases parts of a card's events, records that in an event of its own, and rebuilds the card's row from what is left, in one
 * transaction. It takes its locks in the lock order of `ReadModel`: the shadow tables, the card, the head.
 */
const eraseParts = (
  { erasures, log, readModel, schema, sql }: RedactContext,
  command: Redact
): Effect.Effect<ErasedCard, CardNotFound | ReadFailure> =>
  Effect.gen(function* () {
    const { id } = command
    yield* lockShadowSchema(sql, schema, "shared")
    const loaded = yield* readModel.lockAndLoad(planCardLock(id))
    const { now, state } = loaded
    const before = state.card(id)
    if (before === undefined) return yield* new CardNotFound({ id })
    const held = yield* Stream.runCollect(
      Stream.map(log.streams(Number.MAX_SAFE_INTEGER, [id]), (event) => ({
        version: event.version,
        parts: erasableParts(event),
        isRedaction: event.type === "CardRedacted"
      }))
    )
    const [decided] = Result.getOrElse(redact(before, held, command), () => [])
    if (decided?.event._tag !== "CardRedacted") {
      yield* executeStatement(sql)(readModel.awaitStandby)
      return { card: before, erased: [] }
    }
    const { erased } = decided.event
    yield* log.erase(id, erased)
    const event = {
      ...decided,
      version: before.version + 1,
      occurredAt: now,
      actor: command.actor,
      correlationId: command.correlationId ?? null,
      causationId: command.causationId ?? null,
      commandId: command.commandId ?? null
    }
    const createdCards: ReadonlySet<CardId> = new Set()
    yield* executeInOrder(
      sql,
      readModel.bindWrites({ locked: loaded, pending: [event], changes: [], createdCards, receipts: [] })
    )
    yield* sql.afterCommit(log.notifyCommit)
    const { position } = yield* log.head("read")
    const [folded] = yield* Stream.runCollect(foldCards(log, position, [id]))
    if (folded === undefined) return yield* Effect.die(new Error(`card ${id} has no events`))
    const { card } = folded
    state.putCard(card, state.unmetDependencies(id))
    const changes: ReadonlyArray<RowChange> = [{ _tag: "CardChanged", card, content: true, noted: true }]
    yield* executeInOrder(
      sql,
      readModel.bindWrites({ locked: loaded, pending: [], events: [event], changes, createdCards, receipts: [] })
    )
    yield* forgetDigests(sql, schema, id)
    yield* dropAbandonedCopies(sql, schema)
    yield* deleteShadowRow(sql, schema, id)
    // A consumer of any of the card's events may have read the whole card and put what it read into its reason.
    yield* sql`
      UPDATE ${sql(`${schema}.parked_events`)} SET reason = ${redactedText} WHERE reason <> ${redactedText} AND position IN (
        SELECT position FROM ${sql(`${schema}.events`)} WHERE card_id = ${id})`
    yield* erasures.record(position, id)
    yield* sql.afterCommit(erasures.requestRemoval)
    return { card, erased }
  }).pipe(inTransaction(sql), Effect.provideService(SqlClient.BeginTransaction, beginReadCommitted))
