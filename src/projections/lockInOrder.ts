import { DateTime, Effect } from "effect"
import type { SqlClient, SqlError, Statement } from "effect/sql"
import type { Status } from "../domain/Card.ts"
import type { CardId } from "../domain/CardId.ts"
import { type CardTables, decodeCountedCard } from "./CardTables.ts"
import type { Generations } from "./Generations.ts"
import type { LockPlan } from "./LockPlan.ts"
import { ReadModelState } from "./ReadModelState.ts"
import { type LockedRow, makeClaimQuery } from "./claimQuery.ts"
import { databaseTime } from "../sql/DatabaseClock.ts"
import { arrayLiteral } from "../sql/arrayLiteral.ts"
import { memoizeByFlags } from "../sql/memoize.ts"
import { prepareStatement } from "../sql/prepareStatement.ts"

/** What a batch decides on: locked cards, facts of others, the generation, and the database's clock read after the locks. */
export interface LockedState {
  readonly state: ReadModelState
  readonly generation: number
  readonly now: DateTime.Utc
}

/**
 * Locks what a batch needs and loads it. Every transaction takes its locks in one order, the graph, then cards by id,
 * then cards that can be had without waiting, and, elsewhere, the head of the log: so none waits for one that waits for
 * it. All statements are sent at once, where the connection allows that, and only what they turn up is asked for after
 * them: nothing of that waits for a lock.
 *
 * A statement that waits for a lock goes on with the rows that it waited for, and otherwise with what there was when it
 * began. So what it waited for is read by a statement of its own; where that would cost a round trip, the row tells by
 * its version whether the edges that were read with it are still the card's.
 */
export const makeLockInOrder = (
  sql: SqlClient.SqlClient,
  schema: string,
  tables: CardTables,
  generations: Generations,
  clockOverride: () => Date | null
): ((footprint: LockPlan) => Effect.Effect<LockedState, SqlError.SqlError>) => {
  const { cards, dependencies } = tables

  // No advisory lock, which every session of the database can take: these modes need a write privilege on the table.
  const graphTable = sql(`${schema}.graph_lock`)
  const lockGraph = {
    exclusive: prepareStatement<object>(sql, () => sql`LOCK TABLE ${graphTable} IN EXCLUSIVE MODE`)({}),
    shared: prepareStatement<object>(sql, () => sql`LOCK TABLE ${graphTable} IN ROW EXCLUSIVE MODE`)({})
  }

  const cardsWithKeys = (keys: Statement.Segment) =>
    sql` UNION SELECT id FROM ${cards} WHERE idempotency_key = ANY(${keys}::text[])`

  const dependentsOf = (ids: Statement.Segment) =>
    sql` UNION SELECT card_id FROM ${dependencies} WHERE depends_on_id = ANY(${ids}::text[])`

  const lockNamed = memoizeByFlags((isWithKeys: boolean, isSettling: boolean) =>
    prepareStatement<NamedValues>(
      sql,
      ({ ids, keys, settling }) => sql`
    SELECT FROM ${cards} WHERE id = ANY(ARRAY(
      SELECT pg_catalog.unnest(${ids}::text[])${isWithKeys ? cardsWithKeys(keys) : sql``}${isSettling ? dependentsOf(settling) : sql``}))
    ORDER BY id FOR UPDATE`
    )
  )

  const loadNamed = memoizeByFlags((isWithKeys: boolean, isFreeing: boolean) =>
    prepareStatement<NamedValues>(
      sql,
      ({ freeing, ids, keys }) => sql`
    SELECT ${tables.columns} FROM ${cards} AS cards WHERE cards.id = ANY(ARRAY(
      SELECT pg_catalog.unnest(${ids}::text[])${isWithKeys ? cardsWithKeys(keys) : sql``}${isFreeing ? dependentsOf(freeing) : sql``}))`
    )
  )

  // The order leaves only the indexes by these times, where what has come stands first. Another that begins with the status
  // would lead past every claim that was ended since, while somebody's old snapshot keeps them.
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

  const lockById = prepareStatement<IdsValue, LockedRow>(
    sql,
    ({ ids }) => sql`
    SELECT ${tables.columns}, ${tables.versionSeen} FROM ${cards} AS cards
    WHERE cards.id = ANY(${ids}::text[]) AND status IN ('ready', 'claimed')
    FOR UPDATE OF cards SKIP LOCKED`
  )

  const lockExpired = prepareStatement<{ readonly now: Date }, LockedRow>(
    sql,
    ({ now }) => sql`
    SELECT ${tables.columns}, ${tables.versionSeen} FROM ${cards} AS cards
    WHERE status = 'claimed' AND claim_expires_at <= ${now}::timestamptz
    FOR UPDATE OF cards SKIP LOCKED`
  )

  const wakeDeferred = prepareStatement<{ readonly now: Date }>(
    sql,
    ({ now }) => sql`
    UPDATE ${cards} SET deferred = false WHERE id = ANY(ARRAY(
      SELECT id FROM ${cards} WHERE deferred AND not_before <= ${now}::timestamptz FOR UPDATE SKIP LOCKED))`
  )

  const loadCards = prepareStatement<IdsValue>(
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
    { readonly settling: string; readonly targets: string },
    { readonly id: CardId; readonly status: Status }
  >(
    sql,
    ({ settling, targets }) => sql`
    SELECT id, status FROM ${cards} WHERE id = ANY(ARRAY(
      SELECT pg_catalog.unnest(${targets}::text[])
      UNION SELECT depends_on_id FROM ${dependencies} WHERE card_id = ANY(${settling}::text[])))`
  )

  // Step by step along the index: a plain join is planned as a scan of all edges for every step where the table has no
  // statistics yet: a chain of 100,000 had not ended after ten minutes.
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

  const claimQuery = makeClaimQuery(sql, tables)

  /** The cards that claims may choose from. Those claimed by id are taken. */
  const candidates = ({ claimedById, claims }: LockPlan) =>
    Effect.forEach(claims, ({ choice, limit }) => claimQuery(choice, limit, claimedById), {
      concurrency: "unbounded"
    })

  /** Expired claims, and cards whose retry time has passed, are seldom there: they are looked for when there are any. */
  const lockOthers = Effect.fnUntraced(function* (footprint: LockPlan, clock: ClockRow) {
    const rows: Array<LockedRow> = []
    if (footprint.reclaimsExpired && clock.anyExpired) rows.push(...(yield* lockExpired(clock)))
    if (footprint.claims.length > 0 && clock.anyDue) {
      yield* wakeDeferred(clock)
      rows.push(...(yield* candidates(footprint)).flat())
    }
    return rows
  })

  return Effect.fnUntraced(function* (footprint: LockPlan) {
    const {
      claimedById,
      claims,
      created,
      completedBeforeClaim,
      graphLock,
      idempotencyKeys,
      cards: ids,
      newEdges,
      doneChanges,
      edgeTargets
    } = footprint
    const isNamed = ids.size + idempotencyKeys.size > 0
    const values = {
      ids: arrayLiteral(ids),
      keys: arrayLiteral(idempotencyKeys),
      settling: arrayLiteral(doneChanges),
      freeing: arrayLiteral(completedBeforeClaim),
      targets: arrayLiteral(edgeTargets)
    }
    const [, , namedRows, [clock], byId, best, statuses, dependents, reachable] = yield* Effect.all(
      [
        graphLock === "none" ? nothing : lockGraph[graphLock],
        isNamed ? lockNamed(idempotencyKeys.size > 0, doneChanges.size > 0)(values) : nothing,
        isNamed ? loadNamed(idempotencyKeys.size > 0, completedBeforeClaim.size > 0)(values) : nothing,
        probe,
        claimedById.size > 0 ? lockById({ ids: arrayLiteral(claimedById) }) : nothing,
        claims.length > 0 ? candidates(footprint) : nothing,
        doneChanges.size + edgeTargets.size > 0 ? loadStatuses(values) : nothing,
        doneChanges.size + created.size > 0
          ? loadDependents({ ids: arrayLiteral(new Set([...doneChanges, ...created])) })
          : nothing,
        newEdges.length > 0
          ? loadReachable({
              from: arrayLiteral(newEdges.map((edge) => edge.from)),
              to: arrayLiteral(new Set(newEdges.flatMap((edge) => edge.to)))
            })
          : nothing
      ],
      { concurrency: "unbounded" }
    )
    if (clock === undefined) return yield* Effect.die(new Error("the database answered no time"))
    // Here all other locks are taken: this may lock the head.
    const generation = clock.isSameServer === false ? yield* generations.recordServer : (clock.generation ?? 0)
    const state = new ReadModelState(generation)
    const stale: Array<CardId> = []
    const put = (row: object): void => {
      const { card, unmetDependencies } = decodeCountedCard(row)
      state.putCard(card, unmetDependencies)
    }
    const putLocked = ({ versionSeen, ...row }: LockedRow): void => {
      if (row.version === versionSeen) put(row)
      else stale.push(row.id)
    }
    for (const row of namedRows) put(row)
    for (const row of byId) putLocked(row)
    for (const row of best.flat()) putLocked(row)
    for (const row of yield* lockOthers(footprint, clock)) putLocked(row)
    if (stale.length > 0) for (const row of yield* loadCards({ ids: arrayLiteral(stale) })) put(row)
    for (const { id, status } of statuses) {
      if (state.summary(id) === undefined) state.putSummary(id, { status, notBefore: null, unmetDependencies: 0 })
    }
    for (const { cardId, dependsOnId, notBefore, status, unmetDependencies } of dependents) {
      if (state.card(cardId) === undefined) {
        const time = notBefore === null ? null : DateTime.fromDateUnsafe(notBefore)
        state.putSummary(cardId, { status, notBefore: time, unmetDependencies })
      }
      state.putDependency(cardId, dependsOnId)
    }
    for (const { cardId, dependsOnId } of reachable) state.putDependency(cardId, dependsOnId)
    return {
      state,
      now: DateTime.fromDateUnsafe(clock.now),
      generation
    }
  })
}

const nothing = Effect.succeed([])

interface NamedValues {
  readonly ids: string
  readonly keys: string
  readonly settling: string
  readonly freeing: string
}

interface IdsValue {
  readonly ids: string
}

interface ClockRow {
  readonly now: Date
  readonly anyExpired: boolean
  readonly anyDue: boolean
  /** Null where the head row is missing. */
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
