import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { expect } from "vitest"
import { BacklogSchema } from "../../../src/sql/SchemaName.ts"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { layerTestOver } from "../../../src/services/layers.ts"
import { Migrations } from "../../../src/services/schema/Migrations.ts"
import { currentClient, freshSchema, tables, within } from "../../support/backlogs.ts"
import { ids, input, type Test } from "./harness.ts"

/** Builds a backlog's layers over the client in the context. */
const backlogIn = (schema: string) =>
  Effect.flatMap(currentClient, (client) => Layer.build(Layer.fresh(layerTestOver(client, schema))))

/** Applies the migrations to a schema, as a start does. */
const migrate = (schema: string) =>
  Effect.flatMap(currentClient, (client) =>
    Layer.build(
      Layer.fresh(Migrations.layer).pipe(Layer.provide(client), Layer.provide(Layer.succeed(BacklogSchema)(schema)))
    )
  ).pipe(
    Effect.map((context) => Context.get(context, Migrations).applied),
    Effect.scoped
  )

const names = [
  "event_log",
  "read_model",
  "audit",
  "receipts",
  "claim_by_phase",
  "access_tokens",
  "counts",
  "generations",
  "receipts_of_actors",
  "erasures",
  "commands",
  "claims_from",
  "labels_and_notes",
  "keyframes",
  "observations",
  "claims_by_labels",
  "fewer_expressions",
  "one_round_trip"
].map((name, index) => `${String(index + 1).padStart(4, "0")}_${name}`)

/** Schema migrations. */
export const migrations = (test: Test): void => {
  test(
    "concurrent starts apply each missing migration once",
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const schema = yield* freshSchema
      const contexts = yield* Effect.all(
        Array.from({ length: 10 }, () => backlogIn(schema)),
        { concurrency: "unbounded" }
      )
      const applied = yield* sql<{ readonly id: number; readonly name: string }>`
        SELECT id, name FROM ${sql(`${schema}.migrations`)} ORDER BY id`
      expect(applied.map((row) => row.name)).toEqual(names)
      for (const [index, context] of contexts.entries()) {
        yield* within(context)(Effect.flatMap(BacklogService, (backlog) => backlog.create(input(`c${index}`))))
      }
      for (const context of contexts) {
        const { total } = yield* within(context)(Effect.flatMap(BacklogService, (backlog) => backlog.stats))
        expect(total).toBe(10)
      }
    })
  )

  test(
    "a start returns the migrations that it applied, and a second start applies none",
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const schema = yield* freshSchema
      const first = yield* migrate(schema)
      expect(first).toEqual(names.map((name, index) => ({ id: index + 1, name, isNew: true })))
      const rows = sql`SELECT *, xmin::text FROM ${sql(`${schema}.migrations`)} ORDER BY id`
      const before = yield* rows
      expect(yield* migrate(schema)).toEqual(first.map((migration) => ({ ...migration, isNew: false })))
      expect(yield* rows).toEqual(before)
    })
  )

  test(
    "refuses an edited migration, an unknown migration, and a gap",
    Effect.gen(function* () {
      const { migrations: table, schema, sql } = yield* tables
      const refused = Effect.map(Effect.flip(migrate(schema)), (error) => {
        if (error._tag !== "MigrationRefused") throw error
        expect(error.schema).toBe(schema)
        expect(error.message).toContain(schema)
        return error.problem
      })
      const rolledBack = (change: Effect.Effect<unknown, unknown>) =>
        Effect.gen(function* () {
          const rows = yield* sql<{ readonly id: number; readonly name: string; readonly checksum: string }>`
            SELECT id, name, checksum FROM ${table}`
          yield* change
          const problem = yield* refused
          yield* sql`DELETE FROM ${table}`
          for (const row of rows) yield* sql`INSERT INTO ${table} ${sql.insert(row)}`
          return problem
        })
      expect(yield* rolledBack(sql`UPDATE ${table} SET checksum = 'x' || checksum WHERE id = 2`)).toMatch(
        /migration 2 .*edited/
      )
      const newer = sql`INSERT INTO ${table} (id, name, checksum) VALUES (${names.length + 1}, 'future', 'x')`
      expect(yield* rolledBack(newer)).toMatch(/migration \d+ \(future\).*newer version/)
      expect(yield* rolledBack(sql`DELETE FROM ${table} WHERE id = 1`)).toMatch(/migration 1 .*never applied/)
      expect((yield* migrate(schema)).map(({ isNew }) => isNew)).toEqual(names.map(() => false))
    })
  )

  test(
    "refuses an invalid schema name and creates nothing",
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const schemas = Effect.map(sql<{ readonly name: string }>`SELECT nspname AS name FROM pg_namespace`, (rows) =>
        rows.map((row) => row.name)
      )
      for (const schema of ["", "Upper", "1st", "a-b", "a b", "a.b", "a;b", 'a"b', "ä", "a".repeat(64), "a\n"]) {
        const error = yield* Effect.flip(migrate(schema))
        expect([schema, error._tag]).toEqual([schema, "MigrationRefused"])
        expect(yield* schemas).not.toContain(schema)
      }
    })
  )

  test(
    "accepts schema names that are SQL keywords or have the maximum length",
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      for (const schema of [`user_${"a".repeat(58)}`, "select"]) {
        yield* Effect.acquireRelease(Effect.void, () => Effect.orDie(sql`DROP SCHEMA IF EXISTS ${sql(schema)} CASCADE`))
        yield* Effect.scoped(
          Effect.gen(function* () {
            const context = yield* backlogIn(schema)
            yield* within(context)(
              Effect.gen(function* () {
                const backlog = yield* BacklogService
                yield* backlog.create(input("a"))
                yield* backlog.create(input("b", { dependsOn: ["a"] }))
                yield* backlog.complete({ id: "a", actor: "ann" })
                expect(ids(yield* backlog.list({ claimability: "claimable" }))).toEqual(["b"])
              })
            )
          })
        )
      }
    })
  )

  test(
    "two schemas of one database are independent",
    Effect.gen(function* () {
      const [one, two] = yield* Effect.all([
        Effect.flatMap(freshSchema, backlogIn),
        Effect.flatMap(freshSchema, backlogIn)
      ])
      const list = Effect.flatMap(BacklogService, (backlog) => Effect.map(backlog.list(), ids))
      const create = Effect.flatMap(BacklogService, (backlog) =>
        backlog.create(input("same", { idempotencyKey: "same" }))
      )
      yield* within(one)(create)
      expect(yield* within(two)(list)).toEqual([])
      yield* within(two)(create)
      yield* within(two)(Effect.flatMap(BacklogService, (backlog) => backlog.complete({ id: "same", actor: "ann" })))
      expect((yield* within(one)(Effect.flatMap(BacklogService, (backlog) => backlog.stats))).claimable).toBe(1)
    })
  )
}
