import { Effect, Result, Stream } from "effect"
import { SqlClient } from "effect/sql"
import type { Card } from "../../domain/Card.ts"
import { type EventParts, redactedText } from "../../domain/Event.ts"
import { type Redact, redact } from "../../domain/Redaction.ts"
import { CardNotFound } from "../../domain/Rejection.ts"
import type { EventLog } from "../../events/EventLog.ts"
import { erasableParts } from "../../events/StoredEvent.ts"
import { footprintOfCard } from "../../projections/Footprint.ts"
import type { ReadModel } from "../../projections/ReadModel.ts"
import { forgetBeside, lockBeside } from "../../projections/besideSchema.ts"
import { dropLeftCopies } from "../../projections/besideWork.ts"
import { foldCards, type ReadFailure } from "../../projections/foldCards.ts"
import type { Erasure, Erasures } from "./Erasures.ts"
import { forgetDigests } from "../commands/Receipts.ts"
import { sendInOrder } from "../../sql/bulkStatements.ts"
import { inTransaction, beginReadCommitted } from "../../sql/inTransaction.ts"

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
    yield* lockBeside(sql, schema, "shared")
    const loaded = yield* readModel.lockAndLoad(footprintOfCard(id))
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
    yield* sql.afterCommit(log.announce)
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
    yield* dropLeftCopies(sql, schema)
    yield* forgetBeside(sql, schema, id)
    // A consumer of any of the card's events may have read the whole card, and noted what it read.
    yield* sql`
      UPDATE ${sql(`${schema}.parked_events`)} SET reason = ${redactedText} WHERE reason <> ${redactedText} AND position IN (
        SELECT position FROM ${sql(`${schema}.events`)} WHERE card_id = ${id})`
    yield* erasures.note(position, id)
    yield* sql.afterCommit(erasures.wake)
    return { card, erased }
  }).pipe(inTransaction(sql), Effect.provideService(SqlClient.BeginTransaction, beginReadCommitted))
