import { DateTime, Effect } from "effect"
import type { SqlClient, SqlError, Statement } from "effect/sql"
import type { Card } from "../domain/Card.ts"
import type { CardId } from "../domain/CardId.ts"
import { isDue } from "../domain/Claimability.ts"
import { arrayLiteral } from "../events/arrayLiteral.ts"
import { chunks } from "../events/chunks.ts"
import { jsonLines } from "../events/jsonLines.ts"
import type { CardTables } from "./CardTables.ts"

/** What a row of `cards` holds. */
export interface CardRowValues {
  readonly card: Card
  readonly unmetDependencies: number
  readonly deferred: boolean
  /** The position of its last event, from the one that the statements are made for. */
  readonly position: bigint
}

/** A row of `dependencies`. */
export interface Edge {
  readonly cardId: CardId
  readonly dependsOnId: CardId
}

/** Whether a card is kept out of the claim index because its retry time has not come. */
export const isDeferred = (card: Pick<Card, "status" | "notBefore">, now: DateTime.Utc): boolean =>
  card.status === "ready" && !isDue(card.notBefore, now)

type Write<Row> = (rows: ReadonlyArray<Row>) => ReadonlyArray<Effect.Effect<unknown, SqlError.SqlError>>

/** Set-based statements that write the read model's rows, as many of each as the rows' size takes. */
export interface RowStatements {
  readonly insertCards: Write<CardRowValues>
  /** Everything but title, body, phase, priority and acceptance. */
  readonly updateState: Write<CardRowValues>
  /** Title, body, phase, priority and acceptance. */
  readonly updateContent: Write<CardRowValues>
  readonly updateCounters: Write<readonly [id: CardId, unmet: number]>
  readonly insertEdges: Write<Edge>
  readonly deleteEdges: Write<Edge>
}

/** Statements on the tables whose rows' positions are counted from `start`. */
export const makeRowStatements = (
  sql: SqlClient.SqlClient,
  { cards, dependencies }: CardTables,
  start: Statement.Fragment
): RowStatements => {
  const insertCards = (rows: ReadonlyArray<CardRowValues>) => sql`
    INSERT INTO ${cards} (id, title, body, phase, priority, status, unmet_dependencies, not_before, deferred, attempts,
      idempotency_key, acceptance, blocked_reason, created_at, updated_at, completed_at, version, position,
      claim_owner, claim_ttl_seconds, claimed_at, claim_expires_at, claim_token, result)
    SELECT id, title, body, phase, priority, status, unmet_dependencies, not_before, deferred, attempts,
      idempotency_key, acceptance::jsonb, blocked_reason, created_at, updated_at, completed_at, version, position + ${start},
      claim_owner, claim_ttl_seconds, claimed_at, claim_expires_at, claim_token, result::jsonb
    FROM unnest(
      ${arrayLiteral(rows.map((row) => row.card.id))}::text[], ${arrayLiteral(rows.map((row) => row.card.title))}::text[],
      ${arrayLiteral(rows.map((row) => row.card.body))}::text[], ${arrayLiteral(rows.map((row) => row.card.phase))}::text[],
      ${arrayLiteral(rows.map((row) => row.card.priority))}::int4[], ${arrayLiteral(rows.map((row) => row.card.idempotencyKey))}::text[],
      ${jsonLines(
        sql,
        rows.map((row) => json(row.card.acceptance))
      )}, ${arrayLiteral(rows.map((row) => date(row.card.createdAt)))}::timestamptz[],
      ${stateColumns(rows)}
    ) AS row (id, title, body, phase, priority, idempotency_key, acceptance, created_at, ${stateNames})`

  const updateState = (rows: ReadonlyArray<CardRowValues>) => sql`
    UPDATE ${cards} AS cards SET status = row.status, unmet_dependencies = row.unmet_dependencies,
      not_before = row.not_before, deferred = row.deferred, attempts = row.attempts,
      blocked_reason = row.blocked_reason, updated_at = row.updated_at, completed_at = row.completed_at,
      version = row.version, position = row.position + ${start}, claim_owner = row.claim_owner,
      claim_ttl_seconds = row.claim_ttl_seconds, claimed_at = row.claimed_at,
      claim_expires_at = row.claim_expires_at, claim_token = row.claim_token, result = row.result::jsonb
    FROM unnest(${arrayLiteral(rows.map((row) => row.card.id))}::text[], ${stateColumns(rows)}) AS row (id, ${stateNames})
    WHERE cards.id = row.id`

  const updateContent = (rows: ReadonlyArray<CardRowValues>) => sql`
    UPDATE ${cards} AS cards SET title = row.title, body = row.body, phase = row.phase, priority = row.priority,
      acceptance = row.acceptance::jsonb
    FROM unnest(
      ${arrayLiteral(rows.map((row) => row.card.id))}::text[], ${arrayLiteral(rows.map((row) => row.card.title))}::text[],
      ${arrayLiteral(rows.map((row) => row.card.body))}::text[], ${arrayLiteral(rows.map((row) => row.card.phase))}::text[],
      ${arrayLiteral(rows.map((row) => row.card.priority))}::int4[], ${jsonLines(
        sql,
        rows.map((row) => json(row.card.acceptance))
      )}
    ) AS row (id, title, body, phase, priority, acceptance)
    WHERE cards.id = row.id`

  const updateCounters = (rows: ReadonlyArray<readonly [id: CardId, unmet: number]>) => sql`
    UPDATE ${cards} AS cards SET unmet_dependencies = row.unmet_dependencies
    FROM unnest(${arrayLiteral(rows.map(([id]) => id))}::text[], ${arrayLiteral(rows.map(([, unmet]) => unmet))}::int4[])
      AS row (id, unmet_dependencies)
    WHERE cards.id = row.id`

  const insertEdges = (edges: ReadonlyArray<Edge>) => sql`
    INSERT INTO ${dependencies} (card_id, depends_on_id)
    SELECT * FROM unnest(${arrayLiteral(edges.map((edge) => edge.cardId))}::text[], ${arrayLiteral(edges.map((edge) => edge.dependsOnId))}::text[])`

  const deleteEdges = (edges: ReadonlyArray<Edge>) => sql`
    DELETE FROM ${dependencies} WHERE (card_id, depends_on_id) IN (
      SELECT * FROM unnest(${arrayLiteral(edges.map((edge) => edge.cardId))}::text[], ${arrayLiteral(edges.map((edge) => edge.dependsOnId))}::text[]))`

  const stateNames =
    sql.literal(`status, unmet_dependencies, not_before, deferred, attempts, blocked_reason, updated_at,
    completed_at, version, position, claim_owner, claim_ttl_seconds, claimed_at, claim_expires_at, claim_token, result`)

  const stateColumns = (rows: ReadonlyArray<CardRowValues>) => sql`
    ${arrayLiteral(rows.map((row) => row.card.status))}::text[], ${arrayLiteral(rows.map((row) => row.unmetDependencies))}::int4[],
    ${arrayLiteral(rows.map((row) => date(row.card.notBefore)))}::timestamptz[], ${arrayLiteral(rows.map((row) => row.deferred))}::bool[],
    ${arrayLiteral(rows.map((row) => row.card.attempts))}::int4[], ${arrayLiteral(rows.map((row) => row.card.blockedReason))}::text[],
    ${arrayLiteral(rows.map((row) => date(row.card.updatedAt)))}::timestamptz[], ${arrayLiteral(rows.map((row) => date(row.card.completedAt)))}::timestamptz[],
    ${arrayLiteral(rows.map((row) => row.card.version))}::int4[], ${arrayLiteral(rows.map((row) => row.position))}::int8[],
    ${arrayLiteral(rows.map((row) => row.card.claimOwner))}::text[], ${arrayLiteral(rows.map((row) => row.card.claimTtlSeconds))}::int4[],
    ${arrayLiteral(rows.map((row) => date(row.card.claimedAt)))}::timestamptz[], ${arrayLiteral(rows.map((row) => date(row.card.claimExpiresAt)))}::timestamptz[],
    ${arrayLiteral(rows.map((row) => row.card.claimToken))}::int4[], ${jsonLines(
      sql,
      rows.map((row) => json(row.card.result))
    )}`

  const chunked =
    <Row>(
      statement: (rows: ReadonlyArray<Row>) => Statement.Statement<unknown>,
      sizeOf: (row: Row) => number
    ): Write<Row> =>
    (rows) =>
      Array.from(chunks(rows, sizeOf), (chunk) => Effect.suspend(() => statement(chunk)))

  return {
    insertCards: chunked(insertCards, (row) => contentSize(row) + resultSize(row)),
    updateState: chunked(updateState, resultSize),
    updateContent: chunked(updateContent, contentSize),
    updateCounters: chunked(updateCounters, () => 0),
    insertEdges: chunked(insertEdges, () => 0),
    deleteEdges: chunked(deleteEdges, () => 0)
  }
}

const contentSize = ({ card }: CardRowValues): number =>
  card.title.length + (card.body?.length ?? 0) + (json(card.acceptance)?.length ?? 0)

const resultSize = ({ card }: CardRowValues): number => json(card.result)?.length ?? 0

const json = (value: unknown): string | null => (value === null ? null : JSON.stringify(value))

const date = (value: DateTime.Utc | null): Date | null => (value === null ? null : DateTime.toDateUtc(value))
