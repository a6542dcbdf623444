import { Data, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import type { CardId } from "../../src/domain/CardId.ts"
import type { PendingEvent } from "../../src/events/eventLines.ts"
import type { LockedState } from "../../src/projections/lockAndLoad.ts"
import { planLocks } from "../../src/projections/LockPlan.ts"
import { ReadModel } from "../../src/projections/ReadModel.ts"
import type { RowChange } from "../../src/projections/rowChanges.ts"
import { executeInOrder } from "../../src/sql/bulkStatements.ts"
import { inTransaction } from "../../src/sql/inTransaction.ts"
import { BacklogSchema } from "../../src/sql/SchemaName.ts"
import { currentClient } from "./backlogs.ts"

/**
 * Runs an effect with the read model of the test's backlog, in a transaction that is rolled back. So an effect can write events
 * and rows that do not follow from each other.
 */
export const withReadModel = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const client = yield* currentClient
    const sql = yield* SqlClient.SqlClient
    const inSchema = Layer.succeed(BacklogSchema)(yield* BacklogSchema)
    const rolledBack = Effect.flatMap(effect, (result) => Effect.fail(new RolledBack({ result }))).pipe(
      inTransaction(sql)
    )
    return yield* rolledBack.pipe(
      Effect.catchIf(isRolledBack, ({ result }) => Effect.succeed(result as A)),
      Effect.provide(Layer.fresh(ReadModel.layer).pipe(Layer.provide([client, inSchema])))
    )
  })

/** Ends the transaction, with the result of the effect. */
class RolledBack extends Data.TaggedError("RolledBack")<{ readonly result: unknown }> {}

const isRolledBack = (error: unknown): error is RolledBack => error instanceof RolledBack

/** Writes events and row changes, as a batch that locked nothing but the head would. */
export const writeUnchecked = Effect.fnUntraced(function* (batch: {
  readonly pending: ReadonlyArray<PendingEvent>
  readonly changes?: (locked: LockedState) => ReadonlyArray<RowChange>
  readonly createdCards?: ReadonlySet<CardId>
}) {
  const readModel = yield* ReadModel
  const locked = yield* readModel.lockAndLoad(planLocks([]))
  const { changes = () => [], createdCards = new Set<CardId>(), pending } = batch
  yield* executeInOrder(
    yield* SqlClient.SqlClient,
    readModel.bindWrites({ locked, pending, changes: changes(locked), createdCards, receipts: [] })
  )
})
