import { Context, Effect, Layer, Option } from "effect"
import { SqlClient } from "effect/sql"
import { expect } from "vitest"
import { BacklogSchema } from "../../../src/sql/SchemaName.ts"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { tables, postgresClient } from "../../support/backlogs.ts"
import { onServer } from "../../support/databases.ts"
import { until } from "../../support/waiting.ts"

const cards = 3000

onServer("the statements of a batch", (test) => {
  test(
    "scan no table and no index completely, even with plans that were prepared for empty tables",
    Effect.gen(function* () {
      const { schema, sql } = yield* tables
      // Without a vacuum, the planner assumes that a table without rows will have some.
      yield* sql`VACUUM ANALYZE ${sql(schema)}.cards, ${sql(schema)}.dependencies, ${sql(schema)}.receipts`
      const inSchema = Layer.succeed(BacklogSchema)(schema)
      // Separate connections: a connection reports its statistics when it closes.
      yield* Effect.gen(function* () {
        const context = yield* Layer.build(
          Layer.fresh(BacklogService.layer).pipe(Layer.provide([postgresClient(1), inSchema]))
        )
        const backlog = Context.get(context, BacklogService)
        const work = (times: number) =>
          Effect.gen(function* () {
            for (let time = 0; time < times; time++) {
              const commandId = `claim-${claims++}`
              const card = Option.getOrThrow(yield* backlog.claim({ owner: "w", actor: "w", commandId }))
              yield* backlog.complete({ id: card.id, token: card.claimToken ?? undefined, actor: "w" })
            }
          })
        let claims = 0
        const create = (from: number, count: number) =>
          backlog.createMany({
            cards: Array.from({ length: count }, (_, index) => ({
              id: `c${from + index}`,
              title: "T",
              ...(index % 10 === 0 ? {} : { dependsOn: [`c${from + index - 1}`] })
            })),
            actor: "ann"
          })
        // The first claims are planned while no card depends on another.
        yield* backlog.create({ id: "first", title: "F", actor: "ann" })
        yield* work(1)
        yield* create(0, 10)
        yield* work(10)
        yield* create(10, cards)
        yield* work(100)
      }).pipe(Effect.scoped)
      const readStatistics = sql<{ readonly table: string; readonly scanned: number; readonly inserted: number }>`
        SELECT relname AS table, seq_tup_read::float8 AS scanned, n_tup_ins::float8 AS inserted
        FROM pg_stat_user_tables WHERE schemaname = ${schema} AND relname IN ('cards', 'dependencies', 'events')`
      yield* until(Effect.map(readStatistics, (rows) => rows.every(({ inserted }) => inserted >= cards / 2)))
      const read = yield* readStatistics
      expect(read.length).toBe(3)
      // Only index and constraint creation and the first ten cards cause reads.
      for (const { scanned, table } of read) expect([table, scanned < cards]).toEqual([table, true])
      const indexes = yield* sql<{ readonly index: string; readonly read: number }>`
        SELECT indexrelname AS index, idx_tup_read::float8 AS read FROM pg_stat_user_indexes
        WHERE schemaname = ${schema} AND relname IN ('dependencies', 'receipts')`
      // A scan of an index reads thousands of entries, and there are hundreds of commands.
      for (const { index, read: entries } of indexes) expect([index, entries < 20 * cards]).toEqual([index, true])
    })
  )

  test(
    "do not read ended claims again while another transaction holds an old snapshot",
    Effect.gen(function* () {
      const { schema, sql } = yield* tables
      const pairs = 200
      const inSchema = Layer.succeed(BacklogSchema)(schema)
      yield* Effect.gen(function* () {
        const context = yield* Layer.build(
          Layer.fresh(BacklogService.layer).pipe(Layer.provide([postgresClient(1), inSchema]))
        )
        const backlog = Context.get(context, BacklogService)
        yield* backlog.createMany({
          cards: Array.from({ length: cards }, (_, index) => ({ id: `c${index}`, title: "T" })),
          actor: "ann"
        })
        // With these statistics few cards seem to be claimed, so the planner may choose any index that begins with the status.
        yield* sql`ANALYZE ${sql(schema)}.cards`
        yield* Effect.andThen(
          sql`SELECT count(*)::int4 FROM ${sql(schema)}.cards`,
          Effect.gen(function* () {
            for (let pair = 0; pair < pairs; pair++) {
              const card = Option.getOrThrow(yield* backlog.claim({ owner: "w", actor: "w" }))
              yield* backlog.complete({ id: card.id, token: card.claimToken ?? undefined, actor: "w" })
            }
          })
        ).pipe(
          sql.withTransaction,
          Effect.provideService(SqlClient.BeginTransaction, "BEGIN ISOLATION LEVEL REPEATABLE READ")
        )
      }).pipe(Effect.scoped)
      const readStatistics = sql<{ readonly index: string; readonly read: number }>`
        SELECT indexrelname AS index, idx_tup_read::float8 AS read FROM pg_stat_user_indexes
        WHERE schemaname = ${schema} AND indexrelname IN ('cards_pkey', 'cards_claimed_order')`
      const readOf = (rows: ReadonlyArray<{ readonly index: string; readonly read: number }>, name: string) =>
        rows.find(({ index }) => index === name)?.read ?? 0
      yield* until(Effect.map(readStatistics, (rows) => readOf(rows, "cards_pkey") >= pairs))
      expect(readOf(yield* readStatistics, "cards_claimed_order")).toBeLessThan(pairs)
    })
  )
})
