import { Context, Effect, Layer, Option } from "effect"
import { expect } from "vitest"
import { BacklogSchema } from "../../src/events/SchemaName.ts"
import { BacklogService } from "../../src/services/BacklogService.ts"
import { tables, postgresClient } from "../support/backlogs.ts"
import { onServer } from "../support/databases.ts"
import { until } from "../support/waiting.ts"

const cards = 3000

onServer("the statements of batches", (test) => {
  test(
    "look at no table as a whole, also those that were planned when there were no cards",
    Effect.gen(function* () {
      const { schema, sql } = yield* tables
      const inSchema = Layer.succeed(BacklogSchema)(schema)
      // Connections of its own, which tell what they have read when they end.
      yield* Effect.gen(function* () {
        const context = yield* Layer.build(
          Layer.fresh(BacklogService.layer).pipe(Layer.provide([postgresClient(1), inSchema]))
        )
        const backlog = Context.get(context, BacklogService)
        const work = (times: number) =>
          Effect.gen(function* () {
            for (let time = 0; time < times; time++) {
              const card = Option.getOrThrow(yield* backlog.claim({ owner: "w", actor: "w" }))
              yield* backlog.complete({ id: card.id, token: card.claimToken ?? undefined, actor: "w" })
            }
          })
        const create = (from: number, count: number) =>
          backlog.createMany({
            cards: Array.from({ length: count }, (_, index) => ({
              id: `c${from + index}`,
              title: "T",
              ...(index % 10 === 0 ? {} : { dependsOn: [`c${from + index - 1}`] })
            })),
            actor: "ann"
          })
        yield* create(0, 10)
        yield* work(10)
        yield* create(10, cards)
        yield* work(100)
      }).pipe(Effect.scoped)
      const whatWasRead = sql<{ readonly table: string; readonly scanned: number; readonly inserted: number }>`
        SELECT relname AS table, seq_tup_read::float8 AS scanned, n_tup_ins::float8 AS inserted
        FROM pg_stat_user_tables WHERE schemaname = ${schema} AND relname IN ('cards', 'dependencies', 'events')`
      yield* until(Effect.map(whatWasRead, (rows) => rows.every(({ inserted }) => inserted >= cards / 2)))
      const read = yield* whatWasRead
      expect(read.length).toBe(3)
      // Beside the cards that there were before: those of an index or a constraint that is made, and no more.
      for (const { scanned, table } of read) expect([table, scanned < cards]).toEqual([table, true])
    })
  )
})
