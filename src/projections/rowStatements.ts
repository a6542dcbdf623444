import { DateTime, Effect } from "effect"
import type { SqlClient, SqlError, Statement } from "effect/sql"
import type { Card } from "../domain/Card.ts"
import type { CardId } from "../domain/CardId.ts"
import { isDue } from "../domain/Claimability.ts"
import type { CardTables } from "./CardTables.ts"
import { arrayLiteral, fromJsonLines, toJsonLines, nullableArrayLiteral } from "../sql/arrayLiteral.ts"
import { chunkRows } from "../sql/bulkStatements.ts"
import { type PreparedStatement, prepareStatement, type Placeholders } from "../sql/prepareStatement.ts"
import { memoizeLast } from "../sql/memoize.ts"

/** The values of a row of `cards`. */
export interface CardRowValues {
  readonly card: Card
  readonly unmetDependencies: number
  readonly deferred: boolean
  /** The position of its last event, relative to the `start` of the statements. */
  readonly position: bigint
}

/** A row of `dependencies`. */
export interface Edge {
  readonly cardId: CardId
  readonly dependsOnId: CardId
}

/** Whether a card is not in the claim index because its retry time has not passed. */
export const isDeferred = (card: Pick<Card, "status" | "notBefore">, now: DateTime.Utc): boolean =>
  card.status === "ready" && !isDue(card.notBefore, now)

type Write<Row> = (rows: ReadonlyArray<Row>) => ReadonlyArray<Effect.Effect<unknown, SqlError.SqlError>>

/** Set-based statements that write rows of the read model. Large sets are split into several statements. */
export interface RowStatements {
  readonly insertCards: Write<CardRowValues>
  /** Updates every column except title, body, phase, priority and acceptance. */
  readonly updateState: Write<CardRowValues>
  /** Updates title, body, phase, priority and acceptance. */
  readonly updateContent: Write<CardRowValues>
  readonly updateCounters: Write<readonly [id: CardId, unmet: number]>
  readonly insertEdges: Write<Edge>
  readonly deleteEdges: Write<Edge>
}

/** Prepares the statements. The positions of rows are relative to `start`. */
export const makeRowStatements = (
  sql: SqlClient.SqlClient,
  { cards, dependencies }: CardTables,
  start: Statement.Fragment
): RowStatements => {
  const contentNames = sql.literal("title, body, phase, priority, acceptance")

  const contentColumns = (row: Placeholders<ContentValues>) => sql`
    ${row.titles}::text[], ${row.bodies}::text[], ${row.phases}::text[], ${row.priorities}::int4[],
    ${fromJsonLines(sql, row.acceptances)}`

  const stateNames =
    sql.literal(`id, status, unmet_dependencies, not_before, deferred, attempts, blocked_reason, updated_at,
    completed_at, version, position, claim_owner, claim_ttl_seconds, claimed_at, claim_expires_at, claim_token_high,
    claim_token, result`)

  const stateColumns = (row: Placeholders<StateValues>) => sql`
    ${row.ids}::text[], ${row.statuses}::text[], ${row.unmet}::int4[], ${row.notBefore}::timestamptz[],
    ${row.deferred}::bool[], ${row.attempts}::int4[], ${row.blockedReasons}::text[], ${row.updatedAt}::timestamptz[],
    ${row.completedAt}::timestamptz[], ${row.versions}::int4[], ${row.positions}::int8[], ${row.claimOwners}::text[],
    ${row.claimTtlSeconds}::int4[], ${row.claimedAt}::timestamptz[], ${row.claimExpiresAt}::timestamptz[],
    ${row.claimTokensHigh}::int4[], ${row.claimTokens}::int4[], ${fromJsonLines(sql, row.results)}`

  const insertCards = prepareStatement<CreatedValues>(
    sql,
    (row) => sql`
    INSERT INTO ${cards} (id, title, body, phase, priority, status, unmet_dependencies, not_before, deferred, attempts,
      idempotency_key, acceptance, blocked_reason, created_at, updated_at, completed_at, version, position,
      claim_owner, claim_ttl_seconds, claimed_at, claim_expires_at, claim_token_high, claim_token, result)
    SELECT id, title, body, phase, priority, status, unmet_dependencies, not_before, deferred, attempts,
      idempotency_key, acceptance::jsonb, blocked_reason, created_at, updated_at, completed_at, version, position + ${start},
      claim_owner, claim_ttl_seconds, claimed_at, claim_expires_at, claim_token_high, claim_token, result::jsonb
    FROM unnest(${contentColumns(row)}, ${row.idempotencyKeys}::text[], ${row.createdAt}::timestamptz[], ${stateColumns(row)})
      AS row (${contentNames}, idempotency_key, created_at, ${stateNames})`
  )

  const updateState = prepareStatement<StateValues>(
    sql,
    (row) => sql`
    UPDATE ${cards} AS cards SET status = row.status, unmet_dependencies = row.unmet_dependencies,
      not_before = row.not_before, deferred = row.deferred, attempts = row.attempts,
      blocked_reason = row.blocked_reason, updated_at = row.updated_at, completed_at = row.completed_at,
      version = row.version, position = row.position + ${start}, claim_owner = row.claim_owner,
      claim_ttl_seconds = row.claim_ttl_seconds, claimed_at = row.claimed_at,
      claim_expires_at = row.claim_expires_at, claim_token_high = row.claim_token_high,
      claim_token = row.claim_token, result = row.result::jsonb
    FROM unnest(${stateColumns(row)}) AS row (${stateNames})
    WHERE cards.id = row.id`
  )

  const updateContent = prepareStatement<ContentValues>(
    sql,
    (row) => sql`
    UPDATE ${cards} AS cards SET title = row.title, body = row.body, phase = row.phase, priority = row.priority,
      acceptance = row.acceptance::jsonb
    FROM unnest(${row.ids}::text[], ${contentColumns(row)}) AS row (id, ${contentNames})
    WHERE cards.id = row.id`
  )

  const updateCounters = prepareStatement<CounterValues>(
    sql,
    (row) => sql`
    UPDATE ${cards} AS cards SET unmet_dependencies = row.unmet_dependencies
    FROM unnest(${row.ids}::text[], ${row.unmet}::int4[]) AS row (id, unmet_dependencies)
    WHERE cards.id = row.id`
  )

  const insertEdges = prepareStatement<EdgeValues>(
    sql,
    (edge) => sql`
    INSERT INTO ${dependencies} (card_id, depends_on_id)
    SELECT * FROM unnest(${edge.cardIds}::text[], ${edge.dependsOnIds}::text[])`
  )

  const deleteEdges = prepareStatement<EdgeValues>(
    sql,
    (edge) => sql`
    DELETE FROM ${dependencies} WHERE (card_id, depends_on_id) IN (
      SELECT * FROM unnest(${edge.cardIds}::text[], ${edge.dependsOnIds}::text[]))`
  )

  const chunked =
    <Row, Values>(
      statement: PreparedStatement<Values, unknown>,
      valuesOf: (rows: ReadonlyArray<Row>) => Values,
      sizeOf: (row: Row) => number
    ): Write<Row> =>
    (rows) =>
      Array.from(chunkRows(rows, sizeOf), (chunk) => Effect.suspend(() => statement(valuesOf(chunk))))

  return {
    insertCards: chunked(insertCards, createdValues, (row) => contentSize(row) + resultSize(row)),
    updateState: chunked(updateState, stateValues, resultSize),
    updateContent: chunked(updateContent, contentValues, contentSize),
    updateCounters: chunked(updateCounters, counterValues, () => 0),
    insertEdges: chunked(insertEdges, edgeValues, () => 0),
    deleteEdges: chunked(deleteEdges, edgeValues, () => 0)
  }
}

interface StateValues {
  readonly ids: string
  readonly statuses: string
  readonly unmet: string
  readonly notBefore: string
  readonly deferred: string
  readonly attempts: string
  readonly blockedReasons: string
  readonly updatedAt: string
  readonly completedAt: string
  readonly versions: string
  readonly positions: string
  readonly claimOwners: string
  readonly claimTtlSeconds: string
  readonly claimedAt: string
  readonly claimExpiresAt: string
  readonly claimTokensHigh: string
  readonly claimTokens: string
  readonly results: string
}

const stateValues = (rows: ReadonlyArray<CardRowValues>): StateValues => ({
  ids: arrayLiteral(rows.map((row) => row.card.id)),
  statuses: arrayLiteral(rows.map((row) => row.card.status)),
  unmet: arrayLiteral(rows.map((row) => row.unmetDependencies)),
  notBefore: nullableArrayLiteral(rows.map((row) => date(row.card.notBefore))),
  deferred: arrayLiteral(rows.map((row) => row.deferred)),
  attempts: arrayLiteral(rows.map((row) => row.card.attempts)),
  blockedReasons: nullableArrayLiteral(rows.map((row) => row.card.blockedReason)),
  updatedAt: arrayLiteral(rows.map((row) => dateOf(row.card.updatedAt))),
  completedAt: nullableArrayLiteral(rows.map((row) => date(row.card.completedAt))),
  versions: arrayLiteral(rows.map((row) => row.card.version)),
  positions: arrayLiteral(rows.map((row) => row.position)),
  claimOwners: nullableArrayLiteral(rows.map((row) => row.card.claimOwner)),
  claimTtlSeconds: nullableArrayLiteral(rows.map((row) => row.card.claimTtlSeconds)),
  claimedAt: nullableArrayLiteral(rows.map((row) => date(row.card.claimedAt))),
  claimExpiresAt: nullableArrayLiteral(rows.map((row) => date(row.card.claimExpiresAt))),
  claimTokensHigh: arrayLiteral(rows.map(({ card: { claimToken } }) => Math.floor((claimToken ?? 0) / 2 ** 31))),
  claimTokens: nullableArrayLiteral(rows.map(({ card: { claimToken } }) => claimToken && claimToken % 2 ** 31)),
  results: toJsonLines(rows.map((row) => json(row.card.result)))
})

interface ContentValues {
  readonly ids: string
  readonly titles: string
  readonly bodies: string
  readonly phases: string
  readonly priorities: string
  readonly acceptances: string
}

const contentValues = (rows: ReadonlyArray<CardRowValues>): ContentValues => ({
  ids: arrayLiteral(rows.map((row) => row.card.id)),
  titles: arrayLiteral(rows.map((row) => row.card.title)),
  bodies: nullableArrayLiteral(rows.map((row) => row.card.body)),
  phases: nullableArrayLiteral(rows.map((row) => row.card.phase)),
  priorities: arrayLiteral(rows.map((row) => row.card.priority)),
  acceptances: toJsonLines(rows.map((row) => json(row.card.acceptance)))
})

interface CreatedValues extends StateValues, ContentValues {
  readonly idempotencyKeys: string
  readonly createdAt: string
}

const createdValues = (rows: ReadonlyArray<CardRowValues>): CreatedValues => ({
  ...stateValues(rows),
  ...contentValues(rows),
  idempotencyKeys: nullableArrayLiteral(rows.map((row) => row.card.idempotencyKey)),
  createdAt: arrayLiteral(rows.map((row) => dateOf(row.card.createdAt)))
})

interface CounterValues {
  readonly ids: string
  readonly unmet: string
}

const counterValues = (rows: ReadonlyArray<readonly [id: CardId, unmet: number]>): CounterValues => ({
  ids: arrayLiteral(rows.map(([id]) => id)),
  unmet: arrayLiteral(rows.map(([, unmet]) => unmet))
})

interface EdgeValues {
  readonly cardIds: string
  readonly dependsOnIds: string
}

const edgeValues = (edges: ReadonlyArray<Edge>): EdgeValues => ({
  cardIds: arrayLiteral(edges.map((edge) => edge.cardId)),
  dependsOnIds: arrayLiteral(edges.map((edge) => edge.dependsOnId))
})

const contentSize = ({ card }: CardRowValues): number =>
  card.title.length + (card.body?.length ?? 0) + (json(card.acceptance)?.length ?? 0)

const resultSize = ({ card }: CardRowValues): number => json(card.result)?.length ?? 0

const json = (value: unknown): string | null => (value === null ? null : JSON.stringify(value))

const dateOf = memoizeLast(DateTime.toDateUtc)

const date = (value: DateTime.Utc | null): Date | null => (value === null ? null : dateOf(value))
