import { DateTime, Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import type { Card } from "../domain/Card.ts"
import type { CardId } from "../domain/CardId.ts"
import { isDue } from "../domain/Claimability.ts"
import { arrayLiteral } from "../events/arrayLiteral.ts"
import { chunks } from "../events/chunks.ts"
import type { CardTables } from "./CardTables.ts"
import type { ReadModelState } from "./ReadModelState.ts"
import type { RowChange } from "./rowChanges.ts"

/** Row changes, in order, with the state that they led to and where in the log each card now stands. */
export interface RowWrite {
  readonly changes: ReadonlyArray<RowChange>
  readonly state: ReadModelState
  readonly createdCards: ReadonlySet<CardId>
  readonly positions: ReadonlyMap<CardId, number>
  readonly now: DateTime.Utc
}

/** Writes row changes to the tables, a set-based statement for each kind of change. */
export const makeWriteRows = (
  sql: SqlClient.SqlClient,
  { cards, dependencies }: CardTables
): ((write: RowWrite) => Effect.Effect<void, SqlError.SqlError>) => {
  const insertCards = (rows: ReadonlyArray<CardRowValues>) => sql`
    INSERT INTO ${cards} (id, title, body, phase, priority, status, unmet_dependencies, not_before, deferred, attempts,
      idempotency_key, acceptance, blocked_reason, created_at, updated_at, completed_at, version, position,
      claim_owner, claim_ttl_seconds, claimed_at, claim_expires_at, claim_token, result)
    SELECT id, title, body, phase, priority, status, unmet_dependencies, not_before, deferred, attempts,
      idempotency_key, acceptance::jsonb, blocked_reason, created_at, updated_at, completed_at, version, position,
      claim_owner, claim_ttl_seconds, claimed_at, claim_expires_at, claim_token, result::jsonb
    FROM unnest(
      ${arrayLiteral(rows.map((row) => row.card.id))}::text[], ${arrayLiteral(rows.map((row) => row.card.title))}::text[],
      ${arrayLiteral(rows.map((row) => row.card.body))}::text[], ${arrayLiteral(rows.map((row) => row.card.phase))}::text[],
      ${arrayLiteral(rows.map((row) => row.card.priority))}::int4[], ${arrayLiteral(rows.map((row) => row.card.idempotencyKey))}::text[],
      ${arrayLiteral(rows.map((row) => json(row.card.acceptance)))}::text[], ${arrayLiteral(rows.map((row) => date(row.card.createdAt)))}::timestamptz[],
      ${stateColumns(rows)}
    ) AS row (id, title, body, phase, priority, idempotency_key, acceptance, created_at, ${stateNames})`

  const updateState = (rows: ReadonlyArray<CardRowValues>) => sql`
    UPDATE ${cards} AS cards SET status = row.status, unmet_dependencies = row.unmet_dependencies,
      not_before = row.not_before, deferred = row.deferred, attempts = row.attempts,
      blocked_reason = row.blocked_reason, updated_at = row.updated_at, completed_at = row.completed_at,
      version = row.version, position = row.position, claim_owner = row.claim_owner,
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
      ${arrayLiteral(rows.map((row) => row.card.priority))}::int4[], ${arrayLiteral(rows.map((row) => json(row.card.acceptance)))}::text[]
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
    ${arrayLiteral(rows.map((row) => row.card.claimToken))}::int4[], ${arrayLiteral(rows.map((row) => json(row.card.result)))}::text[]`

  return Effect.fnUntraced(function* (write: RowWrite) {
    const created: Array<CardRowValues> = []
    const changed: Array<CardRowValues> = []
    const revised: Array<CardRowValues> = []
    const counters: Array<readonly [CardId, number]> = []
    const { cards: changedCards, counted, edges } = summarize(write.changes)
    for (const [id, content] of changedCards) {
      const row = rowValues(write, id)
      if (write.createdCards.has(id)) created.push(row)
      else {
        changed.push(row)
        if (content) revised.push(row)
      }
    }
    for (const id of counted) if (!changedCards.has(id)) counters.push([id, write.state.unmetDependencies(id)])
    for (const chunk of chunks(created, contentSize)) yield* insertCards(chunk)
    for (const chunk of chunks(changed, resultSize)) yield* updateState(chunk)
    for (const chunk of chunks(revised, contentSize)) yield* updateContent(chunk)
    for (const chunk of chunks(counters, () => 0)) yield* updateCounters(chunk)
    for (const chunk of chunks(
      [...edges.values()].filter((edge) => edge.net > 0),
      () => 0
    ))
      yield* insertEdges(chunk)
    for (const chunk of chunks(
      [...edges.values()].filter((edge) => edge.net < 0),
      () => 0
    ))
      yield* deleteEdges(chunk)
  })
}

interface CardRowValues {
  readonly card: Card
  readonly unmetDependencies: number
  readonly deferred: boolean
  readonly position: bigint
}

interface Edge {
  readonly cardId: CardId
  readonly dependsOnId: CardId
  net: number
}

const rowValues = (write: RowWrite, id: CardId): CardRowValues => {
  const card = write.state.card(id)
  const position = write.positions.get(id)
  if (card === undefined || position === undefined) throw new Error(`card ${id} changed without an event`)
  return {
    card,
    unmetDependencies: write.state.unmetDependencies(id),
    deferred: card.status === "ready" && !isDue(card.notBefore, write.now),
    position: BigInt(position)
  }
}

/** What the changes come to: each changed card and whether its content did, each counter, the net of every edge. */
const summarize = (changes: ReadonlyArray<RowChange>) => {
  const cards = new Map<CardId, boolean>()
  const counted = new Set<CardId>()
  const edges = new Map<string, Edge>()
  for (const change of changes) {
    switch (change._tag) {
      case "CardChanged":
        cards.set(change.card.id, cards.get(change.card.id) === true || change.content)
        break
      case "UnmetDependenciesChanged":
        counted.add(change.cardId)
        break
      case "DependencyAdded":
      case "DependencyRemoved": {
        const { cardId, dependsOnId } = change
        const key = JSON.stringify([cardId, dependsOnId])
        const edge = edges.get(key) ?? { cardId, dependsOnId, net: 0 }
        edge.net += change._tag === "DependencyAdded" ? 1 : -1
        edges.set(key, edge)
      }
    }
  }
  return { cards, counted, edges }
}

const contentSize = ({ card }: CardRowValues): number =>
  card.title.length + (card.body?.length ?? 0) + (json(card.acceptance)?.length ?? 0)

const resultSize = ({ card }: CardRowValues): number => json(card.result)?.length ?? 0

const json = (value: unknown): string | null => (value === null ? null : JSON.stringify(value))

const date = (value: DateTime.Utc | null): Date | null => (value === null ? null : DateTime.toDateUtc(value))
