import { Effect, Result, Stream } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { Card } from "../../domain/Card.ts"
import { type EventParts, redactedText } from "../../domain/Event.ts"
import { type Redact, redact } from "../../domain/Redaction.ts"
import { CardNotFound, CommandIdConflict } from "../../domain/Rejection.ts"
import type { EventLog } from "../../events/EventLog.ts"
import { erasableParts } from "../../events/StoredEvent.ts"
import { planCardLock } from "../../projections/LockPlan.ts"
import type { ReadModel } from "../../projections/ReadModel.ts"
import { foldCards, type ReadFailure } from "../../projections/foldCards.ts"
import { deleteShadowRow, dropAbandonedCopies, lockShadowSchema } from "../../projections/shadowTables.ts"
import type { Erasure, Erasures } from "./Erasures.ts"
import { cardsOf, digestsOf, receiptOf, type ReceiptOutcome } from "../commands/Receipt.ts"
import { forgetDigests, type Receipts } from "../commands/Receipts.ts"
import { sendInOrder } from "../../sql/bulkStatements.ts"
import { inTransaction, beginReadCommitted } from "../../sql/inTransaction.ts"

/** How often a redaction is tried that another under the same id was faster than. */
const maxTries = 8

/** Carries out a redaction, and once only when it carries an id: see `BacklogService`. */
export const redactOnce = (
  sql: SqlClient.SqlClient,
  receipts: Receipts["Service"],
  awaitStandby: Effect.Effect<unknown, SqlError.SqlError>,
  command: Redact,
  redaction: Effect.Effect<ErasedCard, CardNotFound | ReadFailure>
): Effect.Effect<ErasedCard, CardNotFound | CommandIdConflict | ReadFailure> => {
  const { commandId } = command
  if (commandId === undefined) return redaction
  const receipted = { ...command, _tag: "Redact" } as const

  const answerAgain = Effect.fnUntraced(function* (outcome: ReceiptOutcome) {
    if (outcome._tag === "Refused") return yield* outcome.rejection as CardNotFound
    const cardAt = yield* receipts.cardsAt(cardsOf(outcome))
    if (outcome._tag !== "Redacted") throw new Error("the receipt of a redaction is another command's")
    return { card: cardAt(outcome.card), erased: outcome.erased }
  })

  const once = Effect.gen(function* () {
    const found = (yield* receipts.find([receipted])).get(receipted)
    if (found !== undefined) {
      yield* awaitStandby
      if (!found.isSame) return Result.fail(new CommandIdConflict({ commandId }))
      return yield* withRefusalAsResult(answerAgain(found.outcome))
    }
    const redacted = yield* withRefusalAsResult(redaction)
    const outcome: ReceiptOutcome = Result.isFailure(redacted)
      ? { _tag: "Refused", rejection: redacted.failure }
      : {
          _tag: "Redacted",
          card: { id: redacted.success.card.id, version: redacted.success.card.version },
          erased: redacted.success.erased
        }
    yield* receipts.write([receiptOf(command, commandId, digestsOf(receipted), outcome)])
    return redacted
  }).pipe(
    inTransaction(sql),
    Effect.provideService(SqlClient.BeginTransaction, beginReadCommitted),
    Effect.retry({ while: isUniqueViolation, times: maxTries - 1 })
  )
  return Effect.flatMap(once, (result) => Effect.fromResult<ErasedCard, CardNotFound | CommandIdConflict>(result))
}

/** A refusal as a value: it is recorded too, so it must not end the transaction. */
const withRefusalAsResult = <A>(redaction: Effect.Effect<A, CardNotFound | ReadFailure>) =>
  redaction.pipe(
    Effect.map((redacted): Result.Result<A, CardNotFound> => Result.succeed(redacted)),
    Effect.catchTag("CardNotFound", (refusal) => Effect.succeed(Result.fail(refusal)))
  )

const isUniqueViolation = (error: ReadFailure): boolean =>
  error._tag === "SqlError" && error.reason._tag === "UniqueViolation"

/** A card after a redaction, and what was erased of its events: nothing, when nothing was left to erase. */
export interface ErasedCard {
  readonly card: Card
  readonly erased: ReadonlyArray<EventParts>
}

/** The same, and whether erased bytes of the card are still in the data files. */
export interface RedactedCard extends ErasedCard {
  /**
   * `removed from pages` when no redaction of this card is pending; `erased from reads` while old row versions and the
   * free space of pages may still have its bytes.
   */
  readonly state: Erasure["state"]
}

/**
 * Erases parts of a card's events, records that in an event of its own, and makes the card's row anew from what is left,
 * in one transaction. Takes its locks in the order of every command: the card, then the head.
 */
export const redactCard = (
  sql: SqlClient.SqlClient,
  log: EventLog["Service"],
  readModel: ReadModel["Service"],
  erasures: Erasures["Service"],
  schema: string,
  command: Redact
): Effect.Effect<ErasedCard, CardNotFound | ReadFailure> =>
  Effect.gen(function* () {
    const { id } = command
    yield* lockShadowSchema(sql, schema, "shared")
    const loaded = yield* readModel.lockInOrder(planCardLock(id))
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
      yield* log.awaitStandby
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
    yield* sendInOrder(log.append([event], loaded.generation))
    yield* sql.afterCommit(log.notifyCommit)
    const { position } = yield* log.head("read")
    const [folded] = yield* Stream.runCollect(foldCards(log, position, [id]))
    if (folded === undefined) return yield* Effect.die(new Error(`card ${id} has no events`))
    const { card } = folded
    state.putCard(card, state.unmetDependencies(id))
    const writes = readModel.writes({
      changes: [{ _tag: "CardChanged", card, content: true }],
      state,
      createdCards: new Set(),
      events: [event],
      now
    })
    yield* sendInOrder(writes)
    yield* forgetDigests(sql, schema, id)
    yield* dropAbandonedCopies(sql, schema)
    yield* deleteShadowRow(sql, schema, id)
    // A consumer of any of the card's events may have read the whole card, and noted what it read.
    yield* sql`
      UPDATE ${sql(`${schema}.parked_events`)} SET reason = ${redactedText} WHERE reason <> ${redactedText} AND position IN (
        SELECT position FROM ${sql(`${schema}.events`)} WHERE card_id = ${id})`
    yield* erasures.record(position, id)
    yield* sql.afterCommit(erasures.requestRemoval)
    return { card, erased }
  }).pipe(inTransaction(sql), Effect.provideService(SqlClient.BeginTransaction, beginReadCommitted))
