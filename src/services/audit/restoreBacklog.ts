import { Effect } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { CardId } from "../../domain/CardId.ts"
import { reclaimRestored } from "../../domain/decide.ts"
import { sortIds } from "../../domain/evolve.ts"
import type { EventLog } from "../../events/EventLog.ts"
import type { PendingEvent } from "../../events/eventLines.ts"
import type { CardTables } from "../../projections/CardTables.ts"
import type { GenerationReason } from "../../projections/Generations.ts"
import { planLocks } from "../../projections/LockPlan.ts"
import type { ReadModel } from "../../projections/ReadModel.ts"
import { type RowChange, rowChanges } from "../../projections/rowChanges.ts"
import { executeInOrder } from "../../sql/bulkStatements.ts"
import { beginReadCommitted, inTransaction } from "../../sql/inTransaction.ts"

/** The result of `AuditService.restored`. */
export interface RestoredBacklog {
  /** The generation of all later tokens. */
  readonly generation: number
  /** The cards whose claims were ended, in the order of ids. */
  readonly reclaimed: ReadonlyArray<CardId>
}

/** Begins a generation and ends every claim, in the caller's transaction. */
type BeginGeneration = (
  reason: GenerationReason,
  actor: string,
  atLeast?: number
) => Effect.Effect<RestoredBacklog, SqlError.SqlError>

export const makeRestoreBacklog = (
  sql: SqlClient.SqlClient,
  { cards }: CardTables,
  log: EventLog["Service"],
  readModel: ReadModel["Service"]
): {
  readonly beginGeneration: BeginGeneration
  /** Begins a generation and ends every older claim, in transactions of its own. */
  readonly restoreBacklog: (actor: string) => Effect.Effect<RestoredBacklog, SqlError.SqlError>
} => {
  /** The claimed cards: all, or those with a token that is not greater than a generation. */
  const findClaimed = (before: number | undefined) =>
    Effect.map(
      sql<{ readonly id: CardId }>`SELECT id FROM ${cards} WHERE status = 'claimed'${
        before === undefined ? sql`` : sql` AND claim_token_high * 2147483648 + claim_token <= ${BigInt(before)}::int8`
      } ORDER BY id`,
      (rows) => rows.map(({ id }) => id)
    )

  const endClaims = Effect.fnUntraced(function* (
    ids: ReadonlyArray<CardId>,
    actor: string,
    generationEffect: Effect.Effect<number, SqlError.SqlError>
  ) {
    // In the lock order: the cards, then the head.
    const loaded = yield* readModel.lockAndLoad({ ...planLocks([]), cards: new Set(ids) })
    const generation = yield* generationEffect
    const { now, state } = loaded
    const events: Array<PendingEvent> = []
    const changes: Array<RowChange> = []
    // A card that was claimed since the list was read has a token of the new generation.
    const cardsBefore = ids
      .flatMap((id) => state.card(id) ?? [])
      .filter(({ claimToken }) => (claimToken ?? 0) <= generation)
    for (const decided of reclaimRestored(cardsBefore)) {
      const event: PendingEvent = {
        ...decided,
        version: (state.card(decided.cardId)?.version ?? 0) + 1,
        occurredAt: now,
        actor,
        correlationId: null,
        causationId: null,
        commandId: null
      }
      for (const change of rowChanges(state, event)) {
        state.apply(change)
        changes.push(change)
      }
      events.push(event)
    }
    if (events.length > 0) {
      const locked = { ...loaded, generation: Math.max(generation, loaded.generation) }
      yield* executeInOrder(
        sql,
        readModel.bindWrites({ locked, pending: events, changes, createdCards: new Set(), receipts: [] })
      )
      yield* sql.afterCommit(log.notifyCommit)
    }
    return { generation, reclaimed: events.map(({ cardId }) => cardId) }
  })

  const beginGeneration: BeginGeneration = Effect.fnUntraced(function* (reason, actor, atLeast) {
    const generation = readModel.generations.begin(reason, atLeast)
    return yield* endClaims(yield* findClaimed(undefined), actor, generation)
  })

  const inOwnTransaction = <A>(effect: Effect.Effect<A, SqlError.SqlError>) =>
    effect.pipe(
      inTransaction(sql),
      Effect.provideService(SqlClient.BeginTransaction, beginReadCommitted),
      Effect.retry({
        while: ({ reason }) => reason._tag === "DeadlockError" || reason._tag === "SerializationError",
        times: 7
      })
    )

  return {
    beginGeneration,
    // Other programs may claim cards after the first step has listed the claims and before it has begun the generation. After
    // that no claim gets an older token, so the loop ends.
    restoreBacklog: Effect.fnUntraced(function* (actor) {
      const first = yield* inOwnTransaction(beginGeneration("restored", actor))
      const reclaimed = [...first.reclaimed]
      for (;;) {
        const left = yield* findClaimed(first.generation)
        if (left.length === 0) break
        const more = yield* inOwnTransaction(endClaims(left, actor, Effect.succeed(first.generation)))
        reclaimed.push(...more.reclaimed)
      }
      return { generation: first.generation, reclaimed: sortIds(reclaimed) }
    })
  }
}
