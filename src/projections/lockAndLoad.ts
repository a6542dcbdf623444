import { DateTime, Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import type { Status } from "../domain/Card.ts"
import type { CardId } from "../domain/CardId.ts"
import { arrayLiteral } from "../events/arrayLiteral.ts"
import { databaseNow } from "../events/DatabaseClock.ts"
import { decodeCountedCard } from "./CardRow.ts"
import type { CardTables } from "./CardTables.ts"
import { claimQuery } from "./claimQuery.ts"
import type { Footprint } from "./Footprint.ts"
import { ReadModelState } from "./ReadModelState.ts"

/** What a batch decides on: locked cards, facts of others, and the database's clock read after the locks. */
export interface Loaded {
  readonly state: ReadModelState
  readonly now: DateTime.Utc
}

/** Tells this lock from others that take advisory locks in the same database. */
const graphLockClass = 0x6d62_6c67

/**
 * Locks what a batch needs and loads it. Every transaction takes its locks in one order, the graph, then cards by id,
 * then cards that can be had without waiting, and, elsewhere, the head of the log: so none waits for one that waits for
 * it. Rows are read by statements of their own after the locks: a statement that waits for a lock still sees the edges
 * of before the wait.
 */
export const makeLockAndLoad = (
  sql: SqlClient.SqlClient,
  schema: string,
  tables: CardTables,
  clockOverride: () => Date | null
): ((footprint: Footprint) => Effect.Effect<Loaded, SqlError.SqlError>) => {
  const { cards, dependencies } = tables

  const lockGraph = (mode: "shared" | "exclusive") =>
    mode === "exclusive"
      ? sql`SELECT pg_advisory_xact_lock(${graphLockClass}::int4, ${schema}::regnamespace::oid::int4)::text`
      : sql`SELECT pg_advisory_xact_lock_shared(${graphLockClass}::int4, ${schema}::regnamespace::oid::int4)::text`

  const lockNamed = ({ freeing, keys, named, settling }: Footprint) => sql<{
    readonly id: CardId
    readonly whole: boolean
  }>`
    SELECT id, id = ANY(${arrayLiteral(named)}::text[]) OR idempotency_key = ANY(${arrayLiteral(keys)}::text[]) IS TRUE
      OR EXISTS (SELECT FROM ${dependencies} WHERE card_id = id AND depends_on_id = ANY(${arrayLiteral(freeing)}::text[])) AS whole
    FROM ${cards} WHERE id = ANY(ARRAY(
      SELECT unnest(${arrayLiteral(named)}::text[])
      UNION SELECT id FROM ${cards} WHERE idempotency_key = ANY(${arrayLiteral(keys)}::text[])
      UNION SELECT card_id FROM ${dependencies} WHERE depends_on_id = ANY(${arrayLiteral(settling)}::text[])))
    ORDER BY id FOR UPDATE`

  const readClock = sql<{ readonly now: Date; readonly anyExpired: boolean; readonly anyDue: boolean }>
  const probe = Effect.suspend(
    () => readClock`
      SELECT now, EXISTS (SELECT FROM ${cards} WHERE status = 'claimed' AND claim_expires_at <= now) AS "anyExpired",
        EXISTS (SELECT FROM ${cards} WHERE deferred AND not_before <= now) AS "anyDue"
      FROM (SELECT ${databaseNow(sql, clockOverride)} AS now
        OFFSET 0) AS clock`
  )

  const lockById = (ids: ReadonlySet<CardId>) => sql<{ readonly id: CardId }>`
    SELECT id FROM ${cards} WHERE id = ANY(${arrayLiteral(ids)}::text[]) AND status IN ('ready', 'claimed')
    FOR UPDATE SKIP LOCKED`

  const lockExpired = (now: Date) => sql<{ readonly id: CardId }>`
    SELECT id FROM ${cards} WHERE status = 'claimed' AND claim_expires_at <= ${now}::timestamptz
    FOR UPDATE SKIP LOCKED`

  const wakeDeferred = (now: Date) => sql`
    UPDATE ${cards} SET deferred = false WHERE id = ANY(ARRAY(
      SELECT id FROM ${cards} WHERE deferred AND not_before <= ${now}::timestamptz FOR UPDATE SKIP LOCKED))`

  const loadCards = (ids: ReadonlyArray<CardId>) => sql`
    SELECT ${tables.columns} FROM ${cards} AS cards WHERE cards.id = ANY(${arrayLiteral(ids)}::text[])`

  const loadDependents = (ids: ReadonlyArray<CardId>) => sql<{
    readonly cardId: CardId
    readonly dependsOnId: CardId
    readonly status: Status
    readonly unmetDependencies: number
    readonly notBefore: Date | null
  }>`
    SELECT edge.card_id AS "cardId", edge.depends_on_id AS "dependsOnId", status,
      unmet_dependencies AS "unmetDependencies", not_before AS "notBefore"
    FROM ${dependencies} AS edge JOIN ${cards} AS cards ON cards.id = edge.card_id
    WHERE edge.depends_on_id = ANY(${arrayLiteral(ids)}::text[])`

  const loadStatuses = (ids: ReadonlyArray<CardId>) => sql<{ readonly id: CardId; readonly status: Status }>`
    SELECT id, status FROM ${cards} WHERE id = ANY(${arrayLiteral(ids)}::text[])`

  const anyHasDependents = (ids: ReadonlyArray<CardId>) => sql<{ readonly found: boolean }>`
    SELECT EXISTS (SELECT FROM ${dependencies} WHERE depends_on_id = ANY(${arrayLiteral(ids)}::text[])) AS found`

  // Step by step along the index: a plain join is planned as a scan of all edges for every step where the table has no
  // statistics yet: a chain of 100,000 had not ended after ten minutes.
  const loadReachable = (roots: ReadonlyArray<CardId>) => sql<{
    readonly cardId: CardId
    readonly dependsOnId: CardId
  }>`
    WITH RECURSIVE reachable (id) AS (
      SELECT unnest(${arrayLiteral(roots)}::text[]) COLLATE "C"
      UNION SELECT next.id FROM reachable CROSS JOIN LATERAL (
        SELECT depends_on_id AS id FROM ${dependencies} WHERE card_id = reachable.id OFFSET 0) AS next)
    SELECT edge.card_id AS "cardId", edge.depends_on_id AS "dependsOnId"
    FROM ${dependencies} AS edge JOIN reachable ON edge.card_id = reachable.id`

  return Effect.fnUntraced(function* (footprint: Footprint) {
    const state = new ReadModelState()
    if (footprint.graph !== "none") yield* lockGraph(footprint.graph)
    const whole: Array<CardId> = []
    if (footprint.named.size + footprint.keys.size > 0) {
      for (const row of yield* lockNamed(footprint)) if (row.whole) whole.push(row.id)
    }

    const clock = (yield* probe)[0]
    if (clock === undefined) return yield* Effect.die(new Error("the database answered no time"))
    const byId = footprint.claimedById.size > 0 ? (yield* lockById(footprint.claimedById)).map((row) => row.id) : []
    whole.push(...byId)
    if (footprint.expired && clock.anyExpired) {
      for (const row of yield* lockExpired(clock.now)) whole.push(row.id)
    }
    if (footprint.claims.length > 0) {
      if (clock.anyDue) yield* wakeDeferred(clock.now)
      for (const { choice, limit } of footprint.claims) {
        // Those claimed by id are taken; what is locked beyond what is claimed would look taken to other processes.
        const candidates = claimQuery(sql, tables, choice, limit, byId)
        for (const row of yield* candidates) whole.push(row.id as CardId)
      }
    }

    if (whole.length > 0) {
      for (const row of yield* loadCards(whole)) {
        const { card, unmetDependencies } = decodeCountedCard(row)
        state.putCard(card, unmetDependencies)
      }
    }
    const neighbours = neighboursToRead(footprint, state)
    if (neighbours.length > 0) {
      for (const row of yield* loadStatuses(neighbours)) {
        if (state.standing(row.id) === undefined) {
          state.putStanding(row.id, { status: row.status, notBefore: null, unmetDependencies: 0 })
        }
      }
    }
    const withDependents = [...new Set([...footprint.settling, ...footprint.created])]
    if (withDependents.length > 0) {
      for (const row of yield* loadDependents(withDependents)) {
        if (state.card(row.cardId) === undefined) {
          state.putStanding(row.cardId, {
            status: row.status,
            notBefore: row.notBefore === null ? null : DateTime.fromDateUnsafe(row.notBefore),
            unmetDependencies: row.unmetDependencies
          })
        }
        state.putDependency(row.cardId, row.dependsOnId)
      }
    }
    if (footprint.newEdges.length > 0) {
      const found = (yield* anyHasDependents(footprint.newEdges.map((edge) => edge.from)))[0]?.found === true
      if (found) {
        const roots = new Set(footprint.newEdges.flatMap((edge) => edge.to))
        for (const row of yield* loadReachable([...roots])) state.putDependency(row.cardId, row.dependsOnId)
      }
    }
    return { state, now: DateTime.fromDateUnsafe(clock.now) }
  })
}

/** Cards whose status matters to the batch and that it has not locked: targets of edges, and dependencies. */
const neighboursToRead = (footprint: Footprint, state: ReadModelState): ReadonlyArray<CardId> => {
  const ids = new Set(footprint.targets)
  for (const id of footprint.settling) {
    for (const other of state.card(id)?.dependsOn ?? []) ids.add(other)
  }
  return [...ids].filter((id) => state.card(id) === undefined)
}
