import { Effect } from "effect"
import type { SqlClient, Statement } from "effect/sql"
import type { Status } from "../domain/Card.ts"
import type { CardId } from "../domain/CardId.ts"
import type { CardTables } from "./CardTables.ts"
import type { Generations } from "./Generations.ts"
import { type LockedRow, makeClaimQuery } from "./claimQuery.ts"
import { databaseTime } from "../sql/DatabaseClock.ts"
import { memoizeByFlags } from "../sql/memoize.ts"
import { prepareStatement } from "../sql/prepareStatement.ts"

/**
 * The statements that lock and load what a batch needs, prepared for each combination of parts. `ReadModel.lockInOrder` runs
 * them, in the lock order at the top of that file.
 */
export const makeLockStatements = (
  sql: SqlClient.SqlClient,
  schema: string,
  tables: CardTables,
  generations: Generations,
  clockOverride: () => Date | null
) => {
  const { cards, dependencies } = tables

  // Not an advisory lock, which every session of the database can take: these modes need a write privilege (decision 37).
  const graphTable = sql(`${schema}.graph_lock`)
  const lockGraph = {
    exclusive: prepareStatement<object>(sql, () => sql`LOCK TABLE ${graphTable} IN EXCLUSIVE MODE`)({}),
    shared: prepareStatement<object>(sql, () => sql`LOCK TABLE ${graphTable} IN ROW EXCLUSIVE MODE`)({})
  }

  const cardsWithKeys = (keys: Statement.Segment) =>
    sql` UNION SELECT id FROM ${cards} WHERE idempotency_key = ANY(${keys}::text[])`

  const dependentsOf = (ids: Statement.Segment) =>
    sql` UNION SELECT card_id FROM ${dependencies} WHERE depends_on_id = ANY(${ids}::text[])`

  const lockCards = memoizeByFlags((hasKeys: boolean, hasDoneChanges: boolean) =>
    prepareStatement<NamedValues>(
      sql,
      ({ ids, keys, doneChanges }) => sql`
    SELECT FROM ${cards} WHERE id = ANY(ARRAY(
      SELECT pg_catalog.unnest(${ids}::text[])${hasKeys ? cardsWithKeys(keys) : sql``}${hasDoneChanges ? dependentsOf(doneChanges) : sql``}))
    ORDER BY id FOR UPDATE`
    )
  )

  const loadLockedCards = memoizeByFlags((hasKeys: boolean, hasCompleted: boolean) =>
    prepareStatement<NamedValues>(
      sql,
      ({ completed, ids, keys }) => sql`
    SELECT ${tables.columns} FROM ${cards} AS cards WHERE cards.id = ANY(ARRAY(
      SELECT pg_catalog.unnest(${ids}::text[])${hasKeys ? cardsWithKeys(keys) : sql``}${hasCompleted ? dependentsOf(completed) : sql``}))`
    )
  )

  // The order makes the planner use the indexes by these times, where the expired and due cards come first. An index that
  // begins with the status would scan every claim that has ended since, while an old snapshot keeps their rows.
  const probeAt = prepareStatement<{ readonly override: Date | null }, ClockRow>(
    sql,
    ({ override }) => sql`
      SELECT now, (SELECT true FROM ${cards} WHERE status = 'claimed' AND claim_expires_at <= now
          ORDER BY claim_expires_at LIMIT 1) IS NOT NULL AS "anyExpired",
        (SELECT true FROM ${cards} WHERE deferred AND not_before <= now
          ORDER BY not_before LIMIT 1) IS NOT NULL AS "anyDue", generation, "isSameServer"
      FROM (SELECT ${databaseTime(sql, override)} AS now
        OFFSET 0) AS clock LEFT JOIN (${generations.current}) AS head ON true`
  )
  const probe = Effect.suspend(() => probeAt({ override: clockOverride() }))

  const lockClaimedById = prepareStatement<IdsValue, LockedRow>(
    sql,
    ({ ids }) => sql`
    SELECT ${tables.columns}, ${tables.snapshotVersion} FROM ${cards} AS cards
    WHERE cards.id = ANY(${ids}::text[]) AND status IN ('ready', 'claimed')
    FOR UPDATE OF cards SKIP LOCKED`
  )

  const lockExpired = prepareStatement<{ readonly now: Date }, LockedRow>(
    sql,
    ({ now }) => sql`
    SELECT ${tables.columns}, ${tables.snapshotVersion} FROM ${cards} AS cards
    WHERE status = 'claimed' AND claim_expires_at <= ${now}::timestamptz
    FOR UPDATE OF cards SKIP LOCKED`
  )

  const wakeDeferred = prepareStatement<{ readonly now: Date }>(
    sql,
    ({ now }) => sql`
    UPDATE ${cards} SET deferred = false WHERE id = ANY(ARRAY(
      SELECT id FROM ${cards} WHERE deferred AND not_before <= ${now}::timestamptz FOR UPDATE SKIP LOCKED))`
  )

  const reloadCards = prepareStatement<IdsValue>(
    sql,
    ({ ids }) => sql`
    SELECT ${tables.columns} FROM ${cards} AS cards WHERE cards.id = ANY(${ids}::text[])`
  )

  const loadDependents = prepareStatement<IdsValue, DependentRow>(
    sql,
    ({ ids }) => sql`
    SELECT edge.card_id AS "cardId", edge.depends_on_id AS "dependsOnId", status,
      unmet_dependencies AS "unmetDependencies", not_before AS "notBefore"
    FROM ${dependencies} AS edge JOIN ${cards} AS cards ON cards.id = edge.card_id
    WHERE edge.depends_on_id = ANY(${ids}::text[])`
  )

  const loadStatuses = prepareStatement<
    { readonly doneChanges: string; readonly edgeTargets: string },
    { readonly id: CardId; readonly status: Status }
  >(
    sql,
    ({ doneChanges, edgeTargets }) => sql`
    SELECT id, status FROM ${cards} WHERE id = ANY(ARRAY(
      SELECT pg_catalog.unnest(${edgeTargets}::text[])
      UNION SELECT depends_on_id FROM ${dependencies} WHERE card_id = ANY(${doneChanges}::text[])))`
  )

  // LATERAL with OFFSET 0 forces an index scan for each step. A plain join is planned as a scan of all edges for each step
  // while the table has no statistics: a chain of 100,000 cards did not end in ten minutes.
  const loadReachable = prepareStatement<
    { readonly from: string; readonly to: string },
    { readonly cardId: CardId; readonly dependsOnId: CardId }
  >(
    sql,
    ({ from, to }) => sql`
    WITH RECURSIVE reachable (id) AS (
      SELECT pg_catalog.unnest(${to}::text[]) COLLATE "C"
      WHERE EXISTS (SELECT FROM ${dependencies} WHERE depends_on_id = ANY(${from}::text[]))
      UNION SELECT next.id FROM reachable CROSS JOIN LATERAL (
        SELECT depends_on_id AS id FROM ${dependencies} WHERE card_id = reachable.id OFFSET 0) AS next)
    SELECT edge.card_id AS "cardId", edge.depends_on_id AS "dependsOnId"
    FROM ${dependencies} AS edge JOIN reachable ON edge.card_id = reachable.id`
  )

  return {
    lockGraph,
    lockCards,
    loadLockedCards,
    probe,
    lockClaimedById,
    claimQuery: makeClaimQuery(sql, tables),
    lockExpired,
    wakeDeferred,
    reloadCards,
    loadDependents,
    loadStatuses,
    loadReachable
  }
}

/** The values of the statements that lock and load the cards that commands name. Each is an array literal. */
interface NamedValues {
  readonly ids: string
  readonly keys: string
  readonly doneChanges: string
  readonly completed: string
}

interface IdsValue {
  readonly ids: string
}

/** The database's clock, the generation, and whether there are expired claims and cards whose retry time has passed. */
export interface ClockRow {
  readonly now: Date
  readonly anyExpired: boolean
  readonly anyDue: boolean
  /** `null` if the head row is missing. */
  readonly generation: number | null
  readonly isSameServer: boolean | null
}

interface DependentRow {
  readonly cardId: CardId
  readonly dependsOnId: CardId
  readonly status: Status
  readonly unmetDependencies: number
  readonly notBefore: Date | null
}

/** The statements that lock and load what a batch needs. */
export type LockStatements = ReturnType<typeof makeLockStatements>
