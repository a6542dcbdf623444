/**
 * The read model: locking and loading what a batch of commands decides on, and writing what its events changed.
 *
 * ## Lock order
 *
 * Every transaction that changes a backlog takes its locks in this order, so no two transactions wait for each other:
 *
 * 1. **The shadow tables** (`rebuild_lock`, `lockShadowSchema`): only redactions, rebuilds and removals.
 * 2. **The graph** (`graph_lock`): in `EXCLUSIVE` mode by a command that changes an edge, in `ROW EXCLUSIVE` mode by a
 *    command that makes a card done or no longer done. While it is held, the dependents of a card and whether its
 *    dependencies are done do not change (decisions 2 and 37).
 * 3. **Cards by id**, `ORDER BY id FOR UPDATE`: the cards that commands name, the cards that have their idempotency keys, and
 *    the dependents of cards that become done or no longer done.
 * 4. **Cards that can be locked without waiting**, `FOR UPDATE SKIP LOCKED`: a card claimed by its id, the best claimable
 *    cards (`claimQuery`), expired claims, and cards whose retry time has passed.
 * 5. **The head row of the log** (`EventLog.append`; `Generations.recordServer` locks it earlier, before locks that never wait). Only a transaction that holds it changes the row of counts.
 * 6. **Receipts**, in the order of their ids and actors (`Receipts.write`).
 *
 * `planLocks` in `LockPlan.ts` decides which of these a batch needs, and `lockInOrder` takes 2 to 4. Rebuilds and removals
 * lock whole tables between 4 and 5.
 *
 * A statement that waits for a lock continues with the current version of the rows that it waited for, but reads everything
 * else as of its start. So facts are read by statements that begin after the locks are taken. Where that would cost another
 * round trip, the row is read with the version that the statement's snapshot has: if the two versions differ, the edges in
 * the row may be stale, and the card is read again.
 */
import { Context, DateTime, Effect, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { CardId } from "../domain/CardId.ts"
import { arrayLiteral } from "../sql/arrayLiteral.ts"
import { DatabaseClock } from "../sql/DatabaseClock.ts"
import { BacklogSchema } from "../sql/SchemaName.ts"
import { type CountsTable, makeCountsTable } from "./CardCounts.ts"
import { decodeCountedCard, makeCardTables } from "./CardTables.ts"
import type { LockedRow } from "./claimQuery.ts"
import { type Generations, makeGenerations } from "./Generations.ts"
import type { LockPlan } from "./LockPlan.ts"
import { type ClockRow, type LockStatements, makeLockStatements } from "./lockStatements.ts"
import { ReadModelState } from "./ReadModelState.ts"
import { makeReadQueries, type ReadQueries } from "./readQueries.ts"
import type { RowChange } from "./rowChanges.ts"
import { type CardRowValues, type Edge, isDeferred, makeRowStatements, type RowStatements } from "./rowStatements.ts"

/** What a batch decides on: locked cards, facts of other cards, the generation, and the database's clock after the locks. */
export interface LockedState {
  readonly state: ReadModelState
  readonly generation: number
  readonly now: DateTime.Utc
}

/** Row changes, in order, with the state that they led to and the events that led to them. */
export interface RowWrite {
  readonly changes: ReadonlyArray<RowChange>
  readonly state: ReadModelState
  readonly createdCards: ReadonlySet<CardId>
  /** In order, and the last of the log when the rows are written. */
  readonly events: ReadonlyArray<{ readonly cardId: CardId }>
  readonly now: DateTime.Utc
}

/** The tables that claims, lists and counts read. They follow from the log and are written with it. */
export class ReadModel extends Context.Service<
  ReadModel,
  ReadQueries & {
    readonly generations: Generations
    /**
     * Locks and loads what a batch needs, in the caller's transaction and in the lock order. Begins a new generation first
     * where the log was last written on another server or timeline.
     */
    readonly lockInOrder: (plan: LockPlan) => Effect.Effect<LockedState, SqlError.SqlError>
    /** The statements that write what the batch's events changed. The caller runs them in this order in its transaction. */
    readonly writes: (write: RowWrite) => ReadonlyArray<Effect.Effect<unknown, SqlError.SqlError>>
    /** Recounts the cards if a program of a version without counts has written. */
    readonly catchUpCounts: Effect.Effect<void, SqlError.SqlError>
  }
>()("mosaic-backlog/projections/ReadModel") {
  static readonly layer: Layer.Layer<ReadModel, never, SqlClient.SqlClient> = Layer.effect(
    ReadModel,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const schema = yield* BacklogSchema
      const { override } = yield* DatabaseClock
      const tables = makeCardTables(sql, schema)
      const counts = makeCountsTable(sql, schema)
      const generations = makeGenerations(sql, schema, tables, override)
      // Only the database knows where the log ends. A row's position is given as its distance from there.
      const rows = makeRowStatements(sql, tables, sql`(SELECT position FROM ${sql(`${schema}.head`)})`)
      return ReadModel.of({
        ...makeReadQueries(sql, schema, tables, counts, override),
        generations,
        lockInOrder: makeLockInOrder(makeLockStatements(sql, schema, tables, generations, override), generations),
        writes: makeWrites(rows, counts),
        catchUpCounts: counts.recountIfBehind
      })
    })
  )
}

/**
 * All statements are sent at once where the connection allows it. What depends on their result follows, and does not wait
 * for a lock.
 */
const makeLockInOrder = (statements: LockStatements, generations: Generations): ReadModel["Service"]["lockInOrder"] => {
  /** Locks the cards that claims may choose from, except those that are claimed by their ids. */
  const lockCandidates = ({ claimedById, claims }: LockPlan) =>
    Effect.forEach(claims, ({ filter, limit }) => statements.claimQuery(filter, limit, claimedById), {
      concurrency: "unbounded"
    })

  /** Locks expired claims, and candidates whose retry time has passed, if the probe found any. Both are rare. */
  const lockExpiredAndDue = Effect.fnUntraced(function* (plan: LockPlan, clock: ClockRow) {
    const rows: Array<LockedRow> = []
    if (plan.reclaimsExpired && clock.anyExpired) rows.push(...(yield* statements.lockExpired(clock)))
    if (plan.claims.length > 0 && clock.anyDue) {
      yield* statements.wakeDeferred(clock)
      rows.push(...(yield* lockCandidates(plan)).flat())
    }
    return rows
  })

  return Effect.fnUntraced(function* (plan: LockPlan) {
    const { cards, claimedById, completedBeforeClaim, created, doneChanges, edgeTargets, idempotencyKeys, newEdges } =
      plan
    const locksCards = cards.size + idempotencyKeys.size > 0
    const values = {
      ids: arrayLiteral(cards),
      keys: arrayLiteral(idempotencyKeys),
      doneChanges: arrayLiteral(doneChanges),
      completed: arrayLiteral(completedBeforeClaim),
      edgeTargets: arrayLiteral(edgeTargets)
    }
    // The order of these statements is the lock order.
    const [, , namedRows, [clock], byId, candidates, statuses, dependents, reachable] = yield* Effect.all(
      [
        plan.graphLock === "none" ? nothing : statements.lockGraph[plan.graphLock],
        locksCards ? statements.lockCards(idempotencyKeys.size > 0, doneChanges.size > 0)(values) : nothing,
        locksCards
          ? statements.loadLockedCards(idempotencyKeys.size > 0, completedBeforeClaim.size > 0)(values)
          : nothing,
        statements.probe,
        claimedById.size > 0 ? statements.lockClaimedById({ ids: arrayLiteral(claimedById) }) : nothing,
        plan.claims.length > 0 ? lockCandidates(plan) : nothing,
        doneChanges.size + edgeTargets.size > 0 ? statements.loadStatuses(values) : nothing,
        doneChanges.size + created.size > 0
          ? statements.loadDependents({ ids: arrayLiteral(new Set([...doneChanges, ...created])) })
          : nothing,
        newEdges.length > 0
          ? statements.loadReachable({
              from: arrayLiteral(newEdges.map((edge) => edge.from)),
              to: arrayLiteral(new Set(newEdges.flatMap((edge) => edge.to)))
            })
          : nothing
      ],
      { concurrency: "unbounded" }
    )
    if (clock === undefined) return yield* Effect.die(new Error("the database returned no time"))
    // May lock the head. Only locks with `SKIP LOCKED` follow, which never wait.
    const generation = clock.isSameServer === false ? yield* generations.recordServer : (clock.generation ?? 0)
    const state = new ReadModelState(generation)
    const stale: Array<CardId> = []
    const put = (row: object): void => {
      const { card, unmetDependencies } = decodeCountedCard(row)
      state.putCard(card, unmetDependencies)
    }
    const putLocked = ({ snapshotVersion, ...row }: LockedRow): void => {
      if (row.version === snapshotVersion) put(row)
      else stale.push(row.id)
    }
    for (const row of namedRows) put(row)
    for (const row of byId) putLocked(row)
    for (const row of candidates.flat()) putLocked(row)
    for (const row of yield* lockExpiredAndDue(plan, clock)) putLocked(row)
    if (stale.length > 0) for (const row of yield* statements.reloadCards({ ids: arrayLiteral(stale) })) put(row)
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
    return { state, now: DateTime.fromDateUnsafe(clock.now), generation }
  })
}

const nothing = Effect.succeed([])

/** Set-based statements, in order: one or more for each kind of change. */
const makeWrites =
  (statements: RowStatements, counts: CountsTable): ReadModel["Service"]["writes"] =>
  (write) => {
    const created: Array<CardRowValues> = []
    const changed: Array<CardRowValues> = []
    const revised: Array<CardRowValues> = []
    const counters: Array<readonly [CardId, number]> = []
    const { cards: changedCards, counted, edges } = summarize(write.changes)
    const lastEvents = new Map<CardId, number>()
    write.events.forEach(({ cardId }, index) => lastEvents.set(cardId, index + 1))
    for (const [id, content] of changedCards) {
      const row = rowValues(write, id, (lastEvents.get(id) ?? Number.NaN) - write.events.length)
      if (write.createdCards.has(id)) created.push(row)
      else {
        changed.push(row)
        if (content) revised.push(row)
      }
    }
    for (const id of counted) if (!changedCards.has(id)) counters.push([id, write.state.unmetDependencies(id)])
    const net = [...edges.values()]
    return [
      ...statements.insertCards(created),
      ...statements.updateState(changed),
      ...statements.updateContent(revised),
      ...statements.updateCounters(counters),
      ...statements.insertEdges(net.filter((edge) => edge.net > 0)),
      ...statements.deleteEdges(net.filter((edge) => edge.net < 0)),
      counts.add(write.state.changedCounts, write.events.length)
    ]
  }

const rowValues = (write: RowWrite, id: CardId, position: number): CardRowValues => {
  const card = write.state.card(id)
  if (card === undefined || Number.isNaN(position)) throw new Error(`card ${id} changed without an event`)
  return {
    card,
    unmetDependencies: write.state.unmetDependencies(id),
    deferred: isDeferred(card, write.now),
    position: BigInt(position)
  }
}

/** The net effect of changes: each changed card and whether its content changed, each counter, the net of every edge. */
const summarize = (changes: ReadonlyArray<RowChange>) => {
  const cards = new Map<CardId, boolean>()
  const counted = new Set<CardId>()
  const edges = new Map<string, Edge & { net: number }>()
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
        // No id contains a line feed.
        const key = `${cardId}\n${dependsOnId}`
        const edge = edges.get(key) ?? { cardId, dependsOnId, net: 0 }
        edge.net += change._tag === "DependencyAdded" ? 1 : -1
        edges.set(key, edge)
      }
    }
  }
  return { cards, counted, edges }
}
