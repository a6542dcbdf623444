import { Context, Effect, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { DatabaseClock } from "../sql/DatabaseClock.ts"
import { BacklogSchema } from "../sql/SchemaName.ts"
import { makeCountsTable } from "./CardCounts.ts"
import { makeCardTables } from "./CardTables.ts"
import type { LockPlan } from "./LockPlan.ts"
import { type Generations, makeGenerations } from "./Generations.ts"
import { type LockedState, makeLockInOrder } from "./lockInOrder.ts"
import { makeReadQueries, type ReadQueries } from "./readQueries.ts"
import { makeWriteRows, type RowWrite } from "./writeRows.ts"

/** The tables that claims, lists and counts read. They follow from the log and are written with it. */
export class ReadModel extends Context.Service<
  ReadModel,
  ReadQueries & {
    readonly generations: Generations
    /**
     * Locks and loads what a batch needs, in the caller's transaction. Raises the generation first where the log has moved
     * to another server or timeline.
     */
    readonly lockInOrder: (footprint: LockPlan) => Effect.Effect<LockedState, SqlError.SqlError>
    /** The statements that write what the batch's events changed, to be run in this order in the caller's transaction. */
    readonly writes: (write: RowWrite) => ReadonlyArray<Effect.Effect<unknown, SqlError.SqlError>>
    /** Counts the cards anew where a program of before the counts has written. */
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
      return ReadModel.of({
        ...makeReadQueries(sql, tables, counts, override),
        generations,
        lockInOrder: makeLockInOrder(sql, schema, tables, generations, override),
        writes: makeWriteRows(sql, tables, counts, sql(`${schema}.head`)),
        catchUpCounts: counts.recountIfBehind
      })
    })
  )
}
