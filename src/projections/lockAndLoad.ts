import { DateTime, Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import type { Status } from "../domain/Card.ts"
import type { CardId } from "../domain/CardId.ts"
import { arrayLiteral } from "../events/arrayLiteral.ts"
import { databaseNow } from "../events/DatabaseClock.ts"
import { decodeCountedCard } from "./CardRow.ts"
import type { CardTables } from "./CardTables.ts"
import { claimQuery, isClaimedById, type LockedRow } from "./claimQuery.ts"
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
 * it. All statements are sent at once, where the connection allows that, and only what they turn up is asked for after
 * them: nothing of that waits for a lock.
 *
 * A statement that waits for a lock goes on with the rows that it waited for, and otherwise with what there was when it
 * began. So what it waited for is read by a statement of its own; where that would cost a round trip, the row tells by
 * its version whether the edges that were read with it are still the card's.
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

  const cardsWithKeys = (keys: ReadonlySet<string>) =>
    keys.size === 0
      ? sql``
      : sql` UNION SELECT id FROM ${cards} WHERE idempotency_key = ANY(${arrayLiteral(keys)}::text[])`

  const dependentsOf = (ids: ReadonlySet<CardId>) =>
    ids.size === 0
      ? sql``
      : sql` UNION SELECT card_id FROM ${dependencies} WHERE depends_on_id = ANY(${arrayLiteral(ids)}::text[])`

  const lockNamed = ({ keys, named, settling }: Footprint) => sql`
    SELECT FROM ${cards} WHERE id = ANY(ARRAY(
      SELECT unnest(${arrayLiteral(named)}::text[])${cardsWithKeys(keys)}${dependentsOf(settling)}))
    ORDER BY id FOR UPDATE`

  const loadNamed = ({ freeing, keys, named }: Footprint) => sql`
    SELECT ${tables.columns} FROM ${cards} AS cards WHERE cards.id = ANY(ARRAY(
      SELECT unnest(${arrayLiteral(named)}::text[])${cardsWithKeys(keys)}${dependentsOf(freeing)}))`

  const readClock = sql<{ readonly now: Date; readonly anyExpired: boolean; readonly anyDue: boolean }>
  const probe = Effect.suspend(
    () => readClock`
      SELECT now, EXISTS (SELECT FROM ${cards} WHERE status = 'claimed' AND claim_expires_at <= now) AS "anyExpired",
        EXISTS (SELECT FROM ${cards} WHERE deferred AND not_before <= now) AS "anyDue"
      FROM (SELECT ${databaseNow(sql, clockOverride)} AS now
        OFFSET 0) AS clock`
  )

  const lockById = (ids: ReadonlySet<CardId>) => sql<LockedRow>`
    SELECT ${tables.columns}, ${tables.versionSeen} FROM ${cards} AS cards
    WHERE ${isClaimedById(sql, ids)}
    FOR UPDATE OF cards SKIP LOCKED`

  const lockExpired = (now: Date) => sql<LockedRow>`
    SELECT ${tables.columns}, ${tables.versionSeen} FROM ${cards} AS cards
    WHERE status = 'claimed' AND claim_expires_at <= ${now}::timestamptz
    FOR UPDATE OF cards SKIP LOCKED`

  const wakeDeferred = (now: Date) => sql`
    UPDATE ${cards} SET deferred = false WHERE id = ANY(ARRAY(
      SELECT id FROM ${cards} WHERE deferred AND not_before <= ${now}::timestamptz FOR UPDATE SKIP LOCKED))`

  const loadCards = (ids: ReadonlyArray<CardId>) => sql`
    SELECT ${tables.columns} FROM ${cards} AS cards WHERE cards.id = ANY(${arrayLiteral(ids)}::text[])`

  const loadDependents = (ids: ReadonlyArray<CardId>) => sql<DependentRow>`
    SELECT edge.card_id AS "cardId", edge.depends_on_id AS "dependsOnId", status,
      unmet_dependencies AS "unmetDependencies", not_before AS "notBefore"
    FROM ${dependencies} AS edge JOIN ${cards} AS cards ON cards.id = edge.card_id
    WHERE edge.depends_on_id = ANY(${arrayLiteral(ids)}::text[])`

  const loadStatuses = ({ settling, targets }: Footprint) => sql<{ readonly id: CardId; readonly status: Status }>`
    SELECT id, status FROM ${cards} WHERE id = ANY(ARRAY(
      SELECT unnest(${arrayLiteral(targets)}::text[])
      UNION SELECT depends_on_id FROM ${dependencies} WHERE card_id = ANY(${arrayLiteral(settling)}::text[])))`

  // Step by step along the index: a plain join is planned as a scan of all edges for every step where the table has no
  // statistics yet: a chain of 100,000 had not ended after ten minutes.
  const loadReachable = ({ newEdges }: Footprint) => sql<{ readonly cardId: CardId; readonly dependsOnId: CardId }>`
    WITH RECURSIVE reachable (id) AS (
      SELECT unnest(${arrayLiteral(new Set(newEdges.flatMap((edge) => edge.to)))}::text[]) COLLATE "C"
      WHERE EXISTS (SELECT FROM ${dependencies}
        WHERE depends_on_id = ANY(${arrayLiteral(newEdges.map((edge) => edge.from))}::text[]))
      UNION SELECT next.id FROM reachable CROSS JOIN LATERAL (
        SELECT depends_on_id AS id FROM ${dependencies} WHERE card_id = reachable.id OFFSET 0) AS next)
    SELECT edge.card_id AS "cardId", edge.depends_on_id AS "dependsOnId"
    FROM ${dependencies} AS edge JOIN reachable ON edge.card_id = reachable.id`

  /** The cards that claims may choose from. Those claimed by id are taken. */
  const candidates = ({ claimedById, claims }: Footprint) =>
    Effect.forEach(claims, ({ choice, limit }) => claimQuery(sql, tables, choice, limit, claimedById), {
      concurrency: "unbounded"
    })

  /** Expired claims, and cards whose retry time has passed, are seldom there: they are looked for when there are any. */
  const lockOthers = Effect.fnUntraced(function* (
    footprint: Footprint,
    clock: { readonly now: Date; readonly anyExpired: boolean; readonly anyDue: boolean }
  ) {
    const rows: Array<LockedRow> = []
    if (footprint.expired && clock.anyExpired) rows.push(...(yield* lockExpired(clock.now)))
    if (footprint.claims.length > 0 && clock.anyDue) {
      yield* wakeDeferred(clock.now)
      rows.push(...(yield* candidates(footprint)).flat())
    }
    return rows
  })

  return Effect.fnUntraced(function* (footprint: Footprint) {
    const { claimedById, claims, created, graph, keys, named, newEdges, settling, targets } = footprint
    const isNamed = named.size + keys.size > 0
    const withDependents = [...new Set([...settling, ...created])]
    const [, , namedRows, [clock], byId, best, statuses, dependents, reachable] = yield* Effect.all(
      [
        graph === "none" ? nothing : lockGraph(graph),
        isNamed ? lockNamed(footprint) : nothing,
        isNamed ? loadNamed(footprint) : nothing,
        probe,
        claimedById.size > 0 ? lockById(claimedById) : nothing,
        claims.length > 0 ? candidates(footprint) : nothing,
        settling.size + targets.size > 0 ? loadStatuses(footprint) : nothing,
        withDependents.length > 0 ? loadDependents(withDependents) : nothing,
        newEdges.length > 0 ? loadReachable(footprint) : nothing
      ],
      { concurrency: "unbounded" }
    )
    if (clock === undefined) return yield* Effect.die(new Error("the database answered no time"))
    const state = new ReadModelState()
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
    if (stale.length > 0) for (const row of yield* loadCards(stale)) put(row)
    for (const { id, status } of statuses) {
      if (state.standing(id) === undefined) state.putStanding(id, { status, notBefore: null, unmetDependencies: 0 })
    }
    for (const { cardId, dependsOnId, notBefore, status, unmetDependencies } of dependents) {
      if (state.card(cardId) === undefined) {
        const time = notBefore === null ? null : DateTime.fromDateUnsafe(notBefore)
        state.putStanding(cardId, { status, notBefore: time, unmetDependencies })
      }
      state.putDependency(cardId, dependsOnId)
    }
    for (const { cardId, dependsOnId } of reachable) state.putDependency(cardId, dependsOnId)
    return { state, now: DateTime.fromDateUnsafe(clock.now) }
  })
}

const nothing = Effect.succeed([])

interface DependentRow {
  readonly cardId: CardId
  readonly dependsOnId: CardId
  readonly status: Status
  readonly unmetDependencies: number
  readonly notBefore: Date | null
}
