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
 *    cards, expired claims, and cards whose retry time has passed.
 * 5. **The head row of the log** (`Generations.recordServer` may lock it before the batch is decided, and a claim in `change_card_v1`
 *    before a card, for which it does not wait, but after the table). Only a transaction that holds it changes the row of counts.
 * 6. **Receipts**, in the order of their ids and actors (`encodeReceipts`).
 *
 * `planLocks` in `LockPlan.ts` decides which of these a batch needs. The function `lock_and_load_v4` takes 2 to 4, and
 * `append_and_project_v4` takes 5 and 6. `change_card_v1` takes 2 to 5 for one card. Rebuilds and removals lock whole tables between 4 and 5.
 *
 * A statement that waits for a lock continues with the current version of the rows that it waited for, but reads everything
 * else as of its start. So facts are read by statements that begin after the locks are taken: each statement of the functions
 * has a snapshot of its own, because they are `VOLATILE` and the isolation level is READ COMMITTED.
 */
import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { currentHead } from "../events/LogReader.ts"
import { DatabaseClock } from "../sql/DatabaseClock.ts"
import { type BoundStatement, prepareStatement } from "../sql/prepareStatement.ts"
import { BacklogSchema } from "../sql/SchemaName.ts"
import { type AppendAndProject, makeAppendAndProject } from "./appendAndProject.ts"
import { type ChangeCard, makeChangeCard } from "./changeCard.ts"
import { makeCountsTable } from "./CardCounts.ts"
import { makeCardTables } from "./CardTables.ts"
import { type Generations, makeGenerations } from "./Generations.ts"
import { type LockAndLoad, makeLockAndLoad } from "./lockAndLoad.ts"
import { makeReadQueries, type ReadQueries } from "./readQueries.ts"

/** The tables that claims, lists and counts read. They follow from the log and are written with it. */
export class ReadModel extends Context.Service<
  ReadModel,
  ReadQueries &
    LockAndLoad &
    AppendAndProject &
    ChangeCard & {
      readonly generations: Generations
      /** Takes the lock under which every transaction appends, in the caller's transaction. */
      readonly lockHead: BoundStatement
      /** Reads the position of the last event, as the column `position`. */
      readonly readEnd: BoundStatement
    }
>()("mosaic-backlog/projections/ReadModel") {
  static readonly layer: Layer.Layer<ReadModel, never, SqlClient.SqlClient> = Layer.effect(
    ReadModel,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const schema = yield* BacklogSchema
      const { override } = yield* DatabaseClock
      const tables = makeCardTables(sql, schema)
      const generations = makeGenerations(sql, schema, override)
      return ReadModel.of({
        ...makeReadQueries(sql, schema, tables, makeCountsTable(sql, schema), override),
        ...makeAppendAndProject(sql, schema, override),
        ...makeChangeCard(sql, schema, override),
        ...makeLockAndLoad(sql, schema, override, generations.recordServer),
        generations,
        readEnd: prepareStatement<object>(
          sql,
          () => sql`SELECT position FROM ${currentHead(sql, schema)} AS head`
        ).bind({}),
        lockHead: prepareStatement<object>(sql, () => sql`SELECT ${sql(`${schema}.lock_head_v1`)}()`).bind({})
      })
    })
  )
}
