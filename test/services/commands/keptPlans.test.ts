import { layer } from "@effect/vitest"
import { Effect } from "effect"
import { expect } from "vitest"
import { BacklogService } from "../../../src/index.ts"
import { freshBacklog, postgresClient, tables } from "../../support/backlogs.ts"

const actor = "planner"

/** Runs an effect in a transaction, and returns how many rows of a table its statements read, by scans and by indexes. */
const countRowsRead = Effect.fnUntraced(function* <A, E, R>(
  table: "receipts" | "dependencies" | "cards",
  effect: Effect.Effect<A, E, R>
) {
  const { schema, sql } = yield* tables
  const count = Effect.map(
    sql<{ readonly rows: number }>`
      SELECT (coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::int AS rows FROM pg_stat_xact_user_tables
      WHERE schemaname = ${schema} AND relname = ${table}`,
    ([row]) => row?.rows ?? Number.NaN
  )
  return yield* sql.withTransaction(
    Effect.gen(function* () {
      const before = yield* count
      yield* effect
      return (yield* count) - before
    })
  )
})

/**
 * Creates and completes cards that depend on each other, until the session keeps plans for almost empty tables. `sizes` are
 * those that it has planned for before.
 */
const planForEmptyTables = Effect.fnUntraced(function* (sizes: string) {
  const backlog = yield* BacklogService
  const { schema, sql } = yield* tables
  yield* sql`SELECT set_config('mosaic_backlog.planned_for', ${sizes}, false)`
  // A table that was analyzed when it was empty is planned for by its size alone.
  for (const name of ["cards", "dependencies", "receipts"]) {
    const table = sql(`${schema}.${name}`)
    yield* sql`ALTER TABLE ${table} SET (autovacuum_enabled = false)`
    yield* sql`VACUUM ANALYZE ${table}`
  }
  for (let n = 0; n < 12; n++) {
    yield* sql.withTransaction(backlog.create({ id: `a${n}`, title: "A", actor, commandId: `a${n}` }))
    yield* sql.withTransaction(
      backlog.create({ id: `b${n}`, title: "B", dependsOn: [`a${n}`], actor, commandId: `b${n}` })
    )
    yield* sql.withTransaction(completeNext)
  }
})

const completeNext = Effect.gen(function* () {
  const backlog = yield* BacklogService
  const [claimed] = yield* backlog.claimMany({ owner: actor, limit: 1, actor })
  yield* backlog.complete({ id: claimed?.id ?? "", token: claimed?.claimToken ?? 0, actor })
})

// A command in a transaction of its caller runs in the caller's session. There is one, so that all commands use its plans.
layer(postgresClient(1))("the plans that a session keeps, on a Postgres server", (it) => {
  it.effect("read the receipts of a batch and no others", () =>
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const { schema, sql } = yield* tables
      // No growth lets the session plan again: until there is enough of it, the kept plans must be good.
      yield* planForEmptyTables("1000000000,1000000000,1000000000")
      const receipts = sql(`${schema}.receipts`)
      const read = yield* countRowsRead(
        "receipts",
        Effect.andThen(
          sql`INSERT INTO ${receipts} (command_id, actor, kind, shape, salt, digest, outcome, recorded_at)
            SELECT 'other ' || n, actor, kind, shape, salt, digest, outcome, recorded_at
            FROM (SELECT * FROM ${receipts} LIMIT 1) AS receipt CROSS JOIN generate_series(1, 5000) AS n`,
          backlog.create({ id: "late", title: "Late", actor, commandId: "late" })
        )
      )
      expect(read).toBeLessThan(100)
    }).pipe(Effect.provide(freshBacklog))
  )

  it.effect("are made again when a table has grown to more than twice its size", () =>
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* planForEmptyTables("")
      const { sql } = yield* tables
      for (let n = 0; n < 5; n++) {
        yield* sql.withTransaction(
          backlog.createMany({
            cards: Array.from({ length: 1000 }, (_, m) => ({
              id: `many ${n} ${m}`,
              title: "Many",
              ...(n === 0 ? {} : { dependsOn: [`many ${n - 1} ${m}`] })
            })),
            actor
          })
        )
      }
      const dependent = backlog.create({ id: "late", title: "Late", dependsOn: ["many 4 5"], actor })
      expect(yield* countRowsRead("dependencies", dependent)).toBeLessThan(100)
    }).pipe(Effect.provide(freshBacklog))
  )
})
