import { Context, DateTime, Effect, Layer, Option } from "effect"
import { SqlClient } from "effect/sql"
import { expect } from "vitest"
import type { Card } from "../../../src/domain/Card.ts"
import { AuditService } from "../../../src/services/AuditService.ts"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { BacklogTestClock } from "../../../src/services/layers.ts"
import { BacklogSchema } from "../../../src/sql/SchemaName.ts"
import { appendStatement } from "../../proof/roles/writersSql.ts"
import { postgresClient, tables } from "../../support/backlogs.ts"
import { onBothDatabases, onServer } from "../../support/databases.ts"
import { until } from "../../support/waiting.ts"

/** A generator of numbers below 2^31: https://en.wikipedia.org/wiki/Lehmer_random_number_generator */
const makeRandom = (seed: number) => {
  let state = seed
  return (below: number): number => {
    state = (state * 48_271) % 2_147_483_647
    return state % below
  }
}

const claim = Effect.flatMap(BacklogService, (backlog) => backlog.claim({ owner: "w", actor: "w" }))

/** Creates so many cards that the place where claims begin is moved to the first claimable card. */
const createMany = (phase: string) =>
  Effect.flatMap(BacklogService, (backlog) =>
    backlog.createMany({
      cards: Array.from({ length: 150 }, (_, index) => ({
        id: `${phase}${String(index).padStart(3, "0")}`,
        title: "T",
        phase
      })),
      actor: "ann"
    })
  )

onBothDatabases("where claims begin", (test) => {
  test(
    "every claim takes the first claimable card, whatever became claimable meanwhile",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const random = makeRandom(20_261_129)
      const claimed: Array<Card> = []
      const done: Array<Card> = []
      const blocked: Array<string> = []
      const take = <A>(from: Array<A>): A | undefined => from.splice(random(from.length), 1)[0]
      for (let step = 0; step < 900; step++) {
        const kind = random(12)
        if (kind < 3) {
          const id = `c${step}`
          const [other] = done
          const dependsOn = kind === 0 && other !== undefined ? [other.id] : []
          // The order of ages is not that of ids.
          const occurredAt = DateTime.makeUnsafe(Date.UTC(2025, 0, 1 + random(5)))
          yield* backlog.create({ id, title: id, priority: random(4), dependsOn, occurredAt, actor: "ann" })
        } else if (kind < 8) {
          const [expected] = yield* backlog.list({ claimability: "claimable", limit: 1 })
          const found = Option.getOrUndefined(yield* claim)
          expect([step, found?.id]).toEqual([step, expected?.id])
          if (found !== undefined) claimed.push(found)
        } else if (kind < 10) {
          const card = take(claimed)
          if (card === undefined) continue
          const { claimToken: token, id } = card
          done.push(yield* backlog.complete({ id, ...(token === null ? {} : { token }), actor: "w" }))
        } else if (kind === 10) {
          const card = take(claimed)
          if (card === undefined) continue
          const { claimToken, id } = card
          if (random(2) === 0) yield* backlog.release({ id, token: claimToken ?? 0, actor: "w" })
          else {
            yield* backlog.block({ id, reason: "waits", actor: "w" })
            blocked.push(id)
          }
        } else {
          const card = take(done)
          if (card !== undefined) yield* backlog.reopen({ id: card.id, actor: "ann" })
          const id = take(blocked)
          if (id !== undefined) yield* backlog.unblock({ id, actor: "ann" })
        }
      }
      const { position } = yield* (yield* AuditService).anchor()
      expect(position).toBeGreaterThan(512)
    })
  )

  test(
    "a retry time that passes is noted by a claim that does not take the card",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const clock = yield* BacklogTestClock
      yield* backlog.create({ id: "retried", title: "R", priority: 9, phase: "a", actor: "ann" })
      const { claimToken } = Option.getOrThrow(yield* claim)
      yield* backlog.release({ id: "retried", token: claimToken ?? 0, retryAfterSeconds: 60, actor: "w" })
      yield* createMany("b")
      yield* clock.advance("2 minutes")
      expect(Option.getOrThrow(yield* backlog.claim({ owner: "w", phase: "b", actor: "w" })).id).toBe("b000")
      expect(Option.getOrThrow(yield* claim).id).toBe("retried")
    })
  )

  test(
    "a card that a program of 0.8 makes claimable is found, and one that claims would overlook is reported",
    Effect.gen(function* () {
      const { schema, sql } = yield* tables
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      yield* backlog.create({ id: "urgent", title: "Urgent", priority: 9, actor: "ann" })
      const { claimToken } = Option.getOrThrow(yield* claim)
      yield* createMany("b")
      expect(Option.getOrThrow(yield* claim).id).toBe("b000")

      // What 0.8 sends when the claim is released: the same call without the arguments that version 2 added.
      const released = appendStatement(schema, {
        events: `(urgent,3,CardReleased,1,w,,,,2026-01-01T00:00:00.000Z)`,
        data: `{"notBefore":null,"owner":"w","reason":null,"token":${claimToken}}`,
        changed: `(urgent,ready,0,,false,1,2026-01-01T00:00:00.000Z,,3,0,,,,,0,,,)`,
        counted: "(1,0,-1,0,0)"
      })
      const ofVersion1 = released
        .replace("append_and_project_v4", "append_and_project_v1")
        .replace("noted => NULL, ", "")
        .replace("is_single => NULL, commits_early => NULL, ", "")
        .replace(/made_claimable => NULL, first_expiry => NULL, first_retry => NULL, /, "")
      yield* sql.withTransaction(sql.unsafe(ofVersion1))
      // A command of this version, which does not concern the card.
      yield* backlog.create({ id: "later", title: "Later", priority: -9, actor: "ann" })
      expect(Option.getOrThrow(yield* claim).id).toBe("urgent")

      yield* sql`UPDATE ${sql(schema)}.head SET claims_from_priority = -5`
      const { divergences } = yield* audit.verify()
      expect(divergences.map(({ cardId, check }) => [check, cardId])).toContainEqual(["claimsFrom", "b001"])
      yield* audit.rebuild()
      expect(Option.getOrThrow(yield* claim).id).toBe("b001")
    })
  )
})

onServer("claims by labels", (test) => {
  test(
    "a claim with a label and without another reads the cards of the label until it finds one",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const { cards, schema, sql } = yield* tables
      const labels = [["common"], ["common", "other"], ["other"], []]
      yield* backlog.createMany({
        cards: Array.from({ length: 4000 }, (_, index) => ({
          id: `c${index}`,
          title: "T",
          priority: index % 5,
          labels: labels[index % 4]
        })),
        actor: "ann"
      })
      yield* sql`ANALYZE ${cards}, ${sql(`${schema}.claimable_labels`)}`
      const fetched = Effect.map(
        sql<{ readonly count: number }>`
          SELECT idx_tup_fetch::int4 AS count FROM pg_stat_xact_user_tables WHERE relid = ${`"${schema}".cards`}::regclass`,
        ([row]) => row?.count ?? 0
      )
      for (let number = 0; number < 20; number++) {
        const read = yield* sql.withTransaction(
          Effect.gen(function* () {
            const before = yield* fetched
            const filter = { labels: ["common"], withoutLabels: ["other"] }
            expect(Option.isSome(yield* backlog.claim({ owner: "w", actor: "w", ...filter }))).toBe(true)
            return (yield* fetched) - before
          })
        )
        expect(read).toBeLessThan(100)
      }
    })
  )
})

onServer("while another transaction holds an old snapshot", (test) => {
  test(
    "claims read no ended claims, and no old versions of the head and the counts",
    Effect.gen(function* () {
      const { schema, sql } = yield* tables
      const pairs = 600
      const inSchema = Layer.succeed(BacklogSchema)(schema)
      // An index over rows that its own migration has updated is not used before every older transaction has ended, and other
      // tests run transactions on this server.
      yield* until(
        Effect.map(
          sql<{ readonly usable: boolean }>`
            SELECT bool_and(NOT indcheckxmin OR age(pg_index.xmin) > age(pg_snapshot_xmin(pg_current_snapshot())::xid)) AS usable
            FROM pg_index WHERE indrelid = ${`"${schema}".head`}::regclass`,
          ([index]) => index?.usable === true
        )
      )
      // Without a vacuum, the planner assumes that a table without rows will have some.
      yield* sql`VACUUM ANALYZE ${sql(schema)}.receipts`
      // A connection reports its statistics when it closes.
      yield* Effect.gen(function* () {
        const context = yield* Layer.build(
          Layer.fresh(BacklogService.layer).pipe(Layer.provide([postgresClient(1), inSchema]))
        )
        const backlog = Context.get(context, BacklogService)
        yield* backlog.createMany({
          cards: Array.from({ length: 1000 }, (_, index) => ({ id: `c${String(index).padStart(4, "0")}`, title: "T" })),
          actor: "ann"
        })
        yield* Effect.andThen(
          sql`SELECT count(*)::int4 FROM ${sql(schema)}.cards`,
          Effect.gen(function* () {
            for (let pair = 0; pair < pairs; pair++) {
              const commandId = `pair-${pair}`
              const card = Option.getOrThrow(yield* backlog.claim({ owner: "w", actor: "w", commandId }))
              yield* backlog.complete({ id: card.id, token: card.claimToken ?? undefined, actor: "w" })
            }
          })
        ).pipe(
          sql.withTransaction,
          Effect.provideService(SqlClient.BeginTransaction, "BEGIN ISOLATION LEVEL REPEATABLE READ")
        )
      }).pipe(Effect.scoped)
      const readStatistics = sql<{ readonly index: string; readonly read: number; readonly scans: number }>`
        SELECT indexrelname AS index, idx_tup_read::float8 AS read, idx_scan::float8 AS scans FROM pg_stat_user_indexes
        WHERE schemaname = ${schema}`
      yield* until(
        Effect.map(readStatistics, (rows) => rows.some(({ index, scans }) => index === "cards_pkey" && scans >= pairs))
      )
      const read = new Map((yield* readStatistics).map((row) => [row.index, row.read]))
      // From time to time all entries since the last place are read, and the place is moved behind them.
      for (const index of ["cards_claim_order", "head_pkey", "counts_pkey", "receipts_pkey", "cards_claim_expiry"]) {
        expect([index, (read.get(index) ?? 0) < 100 * pairs]).toEqual([index, true])
      }
      expect(read.get("receipts_pkey") ?? 0).toBeLessThan(10 * pairs)
      const [scanned] = yield* sql<{ readonly head: number }>`
        SELECT seq_tup_read::float8 AS head FROM pg_stat_user_tables WHERE schemaname = ${schema} AND relname = 'head'`
      expect(scanned?.head).toBeLessThan(pairs)
    })
  )
})
