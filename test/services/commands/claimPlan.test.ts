import { layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { expect } from "vitest"
import { BacklogSchema } from "../../../src/sql/SchemaName.ts"
import { makeCardTables } from "../../../src/projections/CardTables.ts"
import { arrayLiteral } from "../../../src/sql/arrayLiteral.ts"
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
  readonly Plans?: ReadonlyArray<PlanNode>
}

const total = 100_000

/**
 * Inserts 100,000 cards directly into the tables. Six of every ten are done or blocked, three have an unmet dependency and the
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
  return { sql, schema, tables }
})

const nodes = (node: PlanNode): ReadonlyArray<PlanNode> => [node, ...(node.Plans ?? []).flatMap(nodes)]

/** The parameters of a claim, in the order of `claimParameters`. */
interface Claim {
  readonly phase?: string
  readonly minPriority?: number
  readonly limit: number
  readonly except?: ReadonlyArray<string>
  /** A card that no claimable card precedes: the statement begins there, and reads one priority. */
  readonly from?: Place
}

/** A place in the claim order. */
interface Place {
  readonly priority: number
  readonly created: string
  readonly id: string
}

/** The variables of `lock_and_load_v4` in its statements for claims, and their types. */
const claimParameters = [
  ["claim_phases[i]", "text"],
  ["claim_priorities[i]", "integer"],
  ["claim_limits[i]", "integer"],
  ["claim_limit", "integer"],
  ["from_priority", "integer"],
  ["from_created", "timestamptz"],
  ["from_id", "text"],
  ["below", "bigint"],
  ["taken", "text[]"],
  ["claimed_by_id", "text[]"]
] as const

/**
 * Runs a statement for claims of `lock_and_load_v4`, with the settings of that function, as a prepared statement. Returns its
 * plan, and the rows that it locks.
 */
const explainClaim = ({ sql, schema }: { readonly sql: SqlClient.SqlClient; readonly schema: string }, claim: Claim) =>
  sql.withTransaction(
    Effect.gen(function* () {
      const [definition] = yield* sql<{ readonly source: string; readonly settings: ReadonlyArray<string> }>`
        SELECT prosrc AS source, proconfig AS settings FROM pg_proc
        WHERE pronamespace = ${schema}::regnamespace AND proname = 'lock_and_load_v4'`
      const { settings, source } = yield* Effect.fromNullishOr(definition)
      for (const setting of settings) {
        const [name, value] = setting.split(/=(.*)/s)
        yield* sql`SELECT set_config(${name}, ${value}, true)`
      }
      const statements = Array.from(
        source.matchAll(/ARRAY\(\s*(SELECT id FROM cards WHERE status = 'ready'[^;]*SKIP LOCKED)\)/g),
        ([, statement = ""]) => statement
      )
      expect(statements).toHaveLength(6)
      const found = statements.filter(
        (statement) =>
          statement.includes("claim_phases") === (claim.phase !== undefined) &&
          statement.includes("claim_limits") === (claim.phase !== undefined || claim.minPriority !== undefined) &&
          statement.includes("from_id") === (claim.from !== undefined)
      )
      expect(found).toHaveLength(1)
      const text = claimParameters.reduce((all, [name], index) => all.replaceAll(name, `$${index + 1}`), found[0] ?? "")
      yield* sql.unsafe(`PREPARE claim (${claimParameters.map(([, type]) => type).join()}) AS ${text}`)
      const { except, from, limit, minPriority = -(2 ** 31), phase } = claim
      const place = [from?.priority, from?.created, from?.id, 2 ** 31, undefined]
      const literals = [phase, minPriority, limit, limit, ...place, except].map((value) =>
        value === undefined ? "NULL" : typeof value === "object" ? `'${arrayLiteral(value)}'` : `'${value}'`
      )
      const execute = `EXECUTE claim (${literals.join()})`
      const [explained] = yield* sql.unsafe<{ readonly "QUERY PLAN": ReadonlyArray<{ readonly Plan: PlanNode }> }>(
        `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${execute}`
      )
      const plan = yield* Effect.fromNullishOr(explained?.["QUERY PLAN"][0]?.Plan)
      const rows = yield* sql.unsafe<{ readonly id: string }>(execute)
      yield* sql.unsafe("DEALLOCATE claim")
      return { plan, nodes: nodes(plan), rows }
    })
  )

const rowsRemoved = (plan: ReadonlyArray<PlanNode>): number =>
  plan.reduce((sum, node) => sum + (node["Rows Removed by Filter"] ?? 0), 0)

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
            const { nodes: all, plan, rows } = yield* explainClaim(backlog, { limit })
            const pages = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
            expect({
              statistics,
              limit,
              nodes: all.map((node) => node["Node Type"]),
              index: all.at(-1)?.["Index Name"],
              rowsRemoved: rowsRemoved(all),
              readsFewPages: pages > 0 && pages < 50 + 12 * limit
            }).toEqual({
              statistics,
              limit,
              nodes: ["Limit", "LockRows", "Index Scan"],
              index: "cards_claim_order",
              rowsRemoved: 0,
              readsFewPages: true
            })
            expect(rows).toEqual(best.slice(0, limit))
          }

          const [place] = yield* sql<Place>`
            SELECT priority, created_at::text AS created, id FROM ${tables.cards} WHERE id = ${best[5]?.id ?? ""}`
          const from = yield* Effect.fromNullishOr(place)
          for (const choice of [{}, { minPriority: 5 }, { phase: "common" }]) {
            const { nodes: all, rows } = yield* explainClaim(backlog, { ...choice, from, limit: 5 })
            expect({
              statistics,
              choice,
              nodes: all.map((node) => node["Node Type"]),
              index: all.at(-1)?.["Index Name"],
              rowsRemoved: rowsRemoved(all)
            }).toEqual({
              statistics,
              choice,
              nodes: ["Limit", "LockRows", "Index Scan"],
              index: "phase" in choice ? "cards_claim_order_by_phase" : "cards_claim_order",
              rowsRemoved: 0
            })
            if (!("phase" in choice)) expect(rows).toEqual(best.slice(5, 10))
          }

          for (const choice of [{ phase: "rare" }, { phase: "rare", minPriority: 5 }, { minPriority: 5 }]) {
            const { nodes: all, plan } = yield* explainClaim(backlog, { ...choice, limit: 5 })
            expect({
              statistics,
              choice,
              nodes: all.map((node) => node["Node Type"]),
              index: all.at(-1)?.["Index Name"],
              rows: plan["Actual Rows"],
              rowsRemoved: rowsRemoved(all)
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
          const except = best.slice(0, 5).map(({ id }) => id)
          const { nodes: all, rows } = yield* explainClaim(backlog, { limit: 1, except })
          expect({
            statistics,
            nodes: all.map((node) => node["Node Type"]),
            rowsRemoved: rowsRemoved(all)
          }).toEqual({ statistics, nodes: ["Limit", "LockRows", "Index Scan"], rowsRemoved: 5 })
          expect(rows).toEqual(best.slice(5, 6))
        }
      })
    )
  })

suite("the plan of a claim on PGlite", layerPgliteClient())
suite("the plan of a claim on a Postgres server", postgresClient(2))
