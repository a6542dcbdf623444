import { layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient, Statement } from "effect/sql"
import { expect } from "vitest"
import { BacklogSchema } from "../../../src/sql/SchemaName.ts"
import { makeCardTables } from "../../../src/projections/CardTables.ts"
import type { ClaimFilter } from "../../../src/domain/Command.ts"
import { arrayLiteral } from "../../../src/sql/arrayLiteral.ts"
import { claimStatement } from "../../../src/projections/claimQuery.ts"
import { Migrations } from "../../../src/services/schema/Migrations.ts"
import { type Client, currentClient, freshSchema, postgresClient } from "../../support/backlogs.ts"
import { layerPgliteClient } from "../../../src/services/pglite/PgliteClient.ts"

/** The fields of a plan node that the tests read, as printed by `EXPLAIN (FORMAT JSON)`. */
interface PlanNode {
  readonly "Node Type": string
  readonly "Index Name"?: string
  readonly "Actual Rows": number
  readonly "Rows Removed by Filter"?: number
  readonly "Shared Hit Blocks": number
  readonly "Shared Read Blocks": number
  readonly "Parent Relationship"?: string
  readonly Plans?: ReadonlyArray<PlanNode>
}

const total = 100_000

/**
 * Inserts 100,000 cards directly into the tables. Of every ten, six are done or blocked, three have an unmet dependency and the
 * highest priorities, and one is ready. The ready cards with the highest priorities are deferred. The tables have no statistics.
 */
const manyCards = Effect.gen(function* () {
  const schema = yield* freshSchema
  const client = yield* currentClient
  yield* Layer.build(
    Layer.fresh(Migrations.layer).pipe(Layer.provide(client), Layer.provide(Layer.succeed(BacklogSchema)(schema)))
  )
  const sql = yield* SqlClient.SqlClient
  const tables = makeCardTables(sql, schema)
  const { cards, dependencies } = tables
  for (const table of [cards, dependencies]) yield* sql`ALTER TABLE ${table} SET (autovacuum_enabled = false)`
  yield* sql`
    INSERT INTO ${cards} (id, title, phase, priority, status, unmet_dependencies, not_before, deferred, attempts, created_at,
      updated_at, completed_at, version, position)
    SELECT 'c' || lpad(n::text, 6, '0'), 'Card ' || n, CASE WHEN n % 10 = 9 AND n / 100 % 10 = 5 THEN 'rare' ELSE 'common' END,
      CASE WHEN kind < 3 THEN 1000 + n % 10 WHEN is_deferred THEN 500 ELSE n / 10 % 10 END,
      CASE WHEN kind < 3 OR kind = 9 THEN 'ready' WHEN kind < 8 THEN 'done' ELSE 'blocked' END,
      CASE WHEN kind < 3 THEN 1 ELSE 0 END, CASE WHEN is_deferred THEN now() + interval '1 day' END, is_deferred, 0,
      time, time, CASE WHEN kind BETWEEN 3 AND 7 THEN time END, 1, n
    FROM (SELECT n, n % 10 AS kind, n % 100 = 9 AS is_deferred,
      timestamptz '2025-01-01 00:00:00Z' + (n * 7919 % ${total}) * interval '1 second' AS time
      FROM generate_series(1, ${total}) AS n) AS row`
  yield* sql`
    INSERT INTO ${dependencies} (card_id, depends_on_id)
    SELECT id, 'c' || lpad((position / 10 * 10 + 8)::text, 6, '0') FROM ${cards} WHERE unmet_dependencies = 1`
  return { sql, tables }
})

/** A plan's nodes without the subplans that run for each found row (its edges and its version). */
const nodes = (node: PlanNode): ReadonlyArray<PlanNode> => [
  node,
  ...(node.Plans ?? []).filter((plan) => plan["Parent Relationship"] !== "SubPlan").flatMap(nodes)
]

/** The statement of a claim with its parameters. */
const claimQuery = (
  sql: SqlClient.SqlClient,
  tables: ReturnType<typeof makeCardTables>,
  { minPriority, phase }: ClaimFilter,
  limit: number,
  except: ReadonlySet<string> = new Set()
) =>
  claimStatement(
    sql,
    tables,
    {
      phase: Statement.parameter(phase),
      minPriority: Statement.parameter(minPriority),
      except: Statement.parameter(arrayLiteral(except)),
      limit: Statement.parameter(limit)
    },
    phase !== undefined,
    minPriority !== undefined,
    except.size > 0
  )

/** Runs a statement and returns its plan. */
const explain = (sql: SqlClient.SqlClient, text: string, params: ReadonlyArray<unknown> = []) =>
  Effect.flatMap(
    sql.unsafe<{ readonly "QUERY PLAN": ReadonlyArray<{ readonly Plan: PlanNode }> }>(
      `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${text}`,
      params
    ),
    (rows) => Effect.fromNullishOr(rows[0]?.["QUERY PLAN"][0]?.Plan)
  )

/** The plan of a claim, either for the given values or generic as a prepared statement uses it. */
const planOf = (
  { sql, tables }: { readonly sql: SqlClient.SqlClient; readonly tables: ReturnType<typeof makeCardTables> },
  limit: number,
  mode: "force_custom_plan" | "force_generic_plan"
) =>
  sql.withTransaction(
    Effect.gen(function* () {
      const [text, params] = claimQuery(sql, tables, {}, limit).compile()
      expect(params).toEqual([limit])
      yield* sql.unsafe(`SET LOCAL plan_cache_mode = ${mode}`)
      yield* sql.unsafe(`PREPARE claim (bigint) AS ${text}`)
      const plan = yield* explain(sql, `EXECUTE claim (${limit})`)
      yield* sql.unsafe("DEALLOCATE claim")
      return plan
    })
  )

const suite = (name: string, client: Layer.Layer<Client, unknown>): void =>
  layer(client, { timeout: "60 seconds", excludeTestServices: true })(name, (it) => {
    it.effect("a claim reads the same few pages among 100,000 cards, with and without statistics", () =>
      Effect.gen(function* () {
        const backlog = yield* manyCards
        const { sql, tables } = backlog
        const [counts] = yield* sql<{ readonly total: number; readonly claimable: number }>`
          SELECT count(*)::int4 AS total, count(*) FILTER (WHERE status = 'ready' AND unmet_dependencies = 0
            AND NOT deferred)::int4 AS claimable FROM ${tables.cards}`
        expect(counts).toEqual({ total, claimable: 9_000 })
        const best = yield* sql<{ readonly id: string }>`
          SELECT id FROM ${tables.cards} WHERE status = 'ready' AND unmet_dependencies = 0 AND not_before IS NULL
          ORDER BY priority DESC, created_at, id LIMIT 30`
        for (const statistics of ["none", "analyzed"]) {
          if (statistics === "analyzed") yield* sql`ANALYZE ${tables.cards}`
          for (const limit of [1, 30]) {
            for (const mode of ["force_custom_plan", "force_generic_plan"] as const) {
              const plan = yield* planOf(backlog, limit, mode)
              const all = nodes(plan)
              const pages = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
              expect({
                statistics,
                limit,
                mode,
                nodes: all.map((node) => node["Node Type"]),
                index: all.at(-1)?.["Index Name"],
                rows: plan["Actual Rows"],
                rowsRemoved: all.reduce((sum, node) => sum + (node["Rows Removed by Filter"] ?? 0), 0),
                readsFewPages: pages > 0 && pages < 50 + 12 * limit
              }).toEqual({
                statistics,
                limit,
                mode,
                nodes: ["Limit", "LockRows", "Index Scan"],
                index: "cards_claim_order",
                rows: limit,
                rowsRemoved: 0,
                readsFewPages: true
              })
            }
          }
          expect((yield* claimQuery(sql, tables, {}, 30)).map(({ id }) => ({ id }))).toEqual(best)

          for (const choice of [{ phase: "rare" }, { phase: "rare", minPriority: 5 }, { minPriority: 5 }]) {
            const [text, params] = claimQuery(sql, tables, choice, 5).compile()
            const plan = yield* explain(sql, text, params)
            const all = nodes(plan)
            expect({
              statistics,
              choice,
              nodes: all.map((node) => node["Node Type"]),
              index: all.at(-1)?.["Index Name"],
              rows: plan["Actual Rows"],
              rowsRemoved: all.reduce((sum, node) => sum + (node["Rows Removed by Filter"] ?? 0), 0)
            }).toEqual({
              statistics,
              choice,
              nodes: ["Limit", "LockRows", "Index Scan"],
              index: choice.phase === undefined ? "cards_claim_order" : "cards_claim_order_by_phase",
              rows: 5,
              rowsRemoved: 0
            })
          }

          // Each card that another command of the batch claims by id costs one removed row.
          const except = new Set(best.slice(0, 5).map((row) => row.id))
          const [text, params] = claimQuery(sql, tables, {}, 1, except).compile()
          const plan = nodes(yield* explain(sql, text, params))
          expect({
            statistics,
            nodes: plan.map((node) => node["Node Type"]),
            rowsRemoved: plan.reduce((sum, node) => sum + (node["Rows Removed by Filter"] ?? 0), 0)
          }).toEqual({ statistics, nodes: ["Limit", "LockRows", "Index Scan"], rowsRemoved: 5 })
          expect((yield* claimQuery(sql, tables, {}, 1, except)).map(({ id }) => ({ id }))).toEqual(best.slice(5, 6))
        }
      })
    )
  })

suite("the plan of a claim on PGlite", layerPgliteClient())
suite("the plan of a claim on a Postgres server", postgresClient(2))
