import { type DateTime, Effect, Stream } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import type { CardId } from "../domain/CardId.ts"
import type { EventLog } from "../events/EventLog.ts"
import type { CardTables } from "./CardTables.ts"
import { foldCards, type FoldedCard, type ReadFailure } from "./foldCards.ts"
import {
  type CardRow,
  contentSize,
  isDeferred,
  noteSize,
  resultSize,
  toContentLine,
  toNoteLine,
  toStateLine
} from "./cardLines.ts"
import { arrayLiteral } from "../sql/arrayLiteral.ts"
import { chunkRows, sendInOrder } from "../sql/bulkStatements.ts"
import { prepareStatement } from "../sql/prepareStatement.ts"
import { textField } from "../sql/recordLines.ts"

/** Builds the read model, or a part of it, from the log. */
export interface ReadModelBuilder {
  /**
   * Inserts the rows of every card, as of a position, into empty tables. `inStep` runs each page in a transaction. Counters
   * are 0 until `countUnmet`.
   */
  readonly insertAll: <E>(
    upTo: number,
    now: DateTime.Utc,
    inStep: (step: Effect.Effect<void, SqlError.SqlError>, cards: ReadonlyArray<FoldedCard>) => Effect.Effect<void, E>
  ) => Effect.Effect<void, ReadFailure | E>
  /** Replaces the rows of some cards, as of a position, and updates every counter that depends on them. */
  readonly replaceCards: (
    ids: ReadonlyArray<CardId>,
    upTo: number,
    now: DateTime.Utc
  ) => Effect.Effect<void, ReadFailure>
  /** Counts the unmet dependencies of every card. */
  readonly countUnmet: Effect.Effect<void, SqlError.SqlError>
}

/** Maximum number of cards in a page of rows. */
const cardsPerPage = 1_000

/** Pages of folded cards that are buffered before they are inserted. */
const chunksAhead = 4

/** Maximum number of characters in a page of rows. */
const charactersPerPage = 4 * 1024 * 1024

export const makeReadModelBuilder = (
  sql: SqlClient.SqlClient,
  log: EventLog["Service"],
  tables: CardTables
): ReadModelBuilder => {
  const { cards, dependencies } = tables
  const insertCards = prepareStatement<{ readonly states: string; readonly contents: string; readonly notes: string }>(
    sql,
    ({ contents, notes, states }) => sql`
      INSERT INTO ${cards} (id, title, body, phase, priority, status, unmet_dependencies, not_before, deferred, attempts,
        idempotency_key, acceptance, blocked_reason, created_at, updated_at, completed_at, version, position, claim_owner,
        claim_ttl_seconds, claimed_at, claim_expires_at, claim_token_high, claim_token, result, labels, note_count,
        last_note, last_note_actor, last_note_at)
      SELECT id, title #>> '{}', body #>> '{}', phase, priority, status, unmet_dependencies, not_before, deferred, attempts,
        idempotency_key, acceptance, blocked_reason #>> '{}', created_at, updated_at, completed_at, version, -place,
        claim_owner, claim_ttl_seconds, claimed_at, claim_expires_at, claim_token_high, claim_token, result, labels,
        note_count, last_note #>> '{}', last_note_actor, last_note_at
      FROM ROWS FROM (pg_catalog.unnest(string_to_array(${states}, chr(10))::${tables.type("card_state_v1")}[]),
          pg_catalog.unnest(string_to_array(${contents}, chr(10))::${tables.type("card_content_v2")}[]),
          pg_catalog.unnest(string_to_array(${notes}, chr(10))::${tables.type("card_note_v1")}[]))
        AS row (id, status, unmet_dependencies, not_before, deferred, attempts, updated_at, completed_at, version, place,
          claim_owner, claim_ttl_seconds, claimed_at, claim_expires_at, claim_token_high, claim_token, blocked_reason,
          result, content_id, phase, priority, idempotency_key, created_at, title, body, acceptance, labels, noted_id,
          note_count, last_note, last_note_actor, last_note_at)`
  )

  const insertEdges = prepareStatement<{ readonly edges: string }>(
    sql,
    ({ edges }) => sql`
      INSERT INTO ${dependencies} (card_id, depends_on_id)
      SELECT card_id, depends_on_id
      FROM pg_catalog.unnest(string_to_array(${edges}, chr(10))::${tables.type("dependency_v1")}[])`
  )

  const insertRows = (folded: ReadonlyArray<FoldedCard>, now: DateTime.Utc) => {
    const rows = folded.map(({ card, position }): CardRow => ({
      card,
      unmetDependencies: 0,
      deferred: isDeferred(card, now),
      place: -position
    }))
    const edges = folded.flatMap(({ card }) =>
      card.dependsOn.map((dependsOn) => `(${textField(card.id)},${textField(dependsOn)})`)
    )
    return sendInOrder([
      ...Array.from(
        chunkRows(rows, (row) => contentSize(row) + resultSize(row) + noteSize(row)),
        (chunk) =>
          Effect.suspend(() =>
            insertCards({
              states: chunk.map(toStateLine).join("\n"),
              contents: chunk.map(toContentLine).join("\n"),
              notes: chunk.map(toNoteLine).join("\n")
            })
          )
      ),
      ...Array.from(
        chunkRows(edges, () => 0),
        (chunk) => insertEdges({ edges: chunk.join("\n") })
      )
    ])
  }

  /** Corrects the counters of some cards. */
  const updateCounters = (ids: ReturnType<typeof sql.literal>) => sql`
    UPDATE ${cards} AS cards SET unmet_dependencies = counted.unmet
    FROM (
      SELECT affected.id, (
        SELECT count(*)::int4 FROM ${dependencies} AS edge LEFT JOIN ${cards} AS target ON target.id = edge.depends_on_id
        WHERE edge.card_id = affected.id AND target.status IS DISTINCT FROM 'done') AS unmet
      FROM (${ids}) AS affected (id)) AS counted
    WHERE cards.id = counted.id AND cards.unmet_dependencies <> counted.unmet`

  return {
    insertAll: Effect.fnUntraced(function* (upTo, now, inStep) {
      let waiting: Array<FoldedCard> = []
      let size = 0
      const flush = Effect.suspend(() => {
        const folded = waiting
        waiting = []
        size = 0
        return folded.length === 0 ? Effect.void : inStep(insertRows(folded, now), folded)
      })
      // The next cards are folded while the database inserts.
      const cardsInOrder = Stream.bufferArray(foldCards(log, upTo), { capacity: chunksAhead })
      yield* Stream.runForEachArray(cardsInOrder, (folded) => {
        for (const one of folded) {
          waiting.push(one)
          size += (one.card.body?.length ?? 0) + 500
        }
        return waiting.length >= cardsPerPage || size >= charactersPerPage ? flush : Effect.void
      })
      yield* flush
    }),
    replaceCards: Effect.fnUntraced(function* (ids, upTo, now) {
      const named = sql`${arrayLiteral(ids)}::text[]`
      yield* sql`DELETE FROM ${cards} WHERE id = ANY(${named})`
      yield* sql`DELETE FROM ${dependencies} WHERE card_id = ANY(${named})`
      yield* foldCards(log, upTo, ids).pipe(Stream.runForEachArray((folded) => insertRows(folded, now)))
      yield* updateCounters(
        sql`SELECT pg_catalog.unnest(${named}) UNION SELECT card_id FROM ${dependencies} WHERE depends_on_id = ANY(${named})`
      )
    }),
    countUnmet: Effect.asVoid(updateCounters(sql`SELECT DISTINCT card_id FROM ${dependencies}`))
  }
}
