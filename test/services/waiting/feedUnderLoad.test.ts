import { Context, Deferred, Effect, Fiber, Option, Scope, Stream } from "effect"
import { expect } from "vitest"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { headPosition, tables, within } from "../../support/backlogs.ts"
import { onServer } from "../../support/databases.ts"
import { pool } from "../../support/pools.ts"
import { script } from "../../support/scripts.ts"
import { until } from "../../support/waiting.ts"

const unbounded = { concurrency: "unbounded" } as const

onServer("the feed under load", (test) => {
  test(
    "delivers every event once and in order to a follower and to a consumer that is killed, with eight writers and one that delays them",
    Effect.gen(function* () {
      const { schema, sql } = yield* tables
      const seen = sql(`${schema}.seen`)
      yield* sql`CREATE TABLE ${seen} (place bigserial, position int8 NOT NULL, process int4 NOT NULL)`

      const follower = yield* pool()
      const followed: Array<number> = []
      yield* Effect.forkScoped(
        Stream.runForEach(follower.audit.events({ follow: true }), ({ position }) =>
          Effect.sync(() => followed.push(position))
        )
      )

      const pools = yield* Effect.all(Array.from({ length: 8 }, () => pool()))
      const load = { writing: true, reported: 0 }
      const writers = yield* Effect.forEach(
        pools,
        ({ backlog }, writer) =>
          Effect.gen(function* () {
            const owner = `w${writer}`
            for (let count = 0; load.writing; count++) {
              // Writers wait when the repeatedly killed consumer is more than about 500 events behind.
              yield* until(Effect.sync(() => !load.writing || 3 * 8 * count < load.reported + 500))
              yield* backlog.create({ id: `${owner}c${count}`, title: "T", actor: owner })
              const claimed = yield* backlog.claim({ owner, actor: owner })
              if (Option.isNone(claimed)) continue
              const { claimToken, id } = claimed.value
              yield* backlog.complete({ id, token: claimToken ?? 0, actor: owner })
            }
          }),
        unbounded
      ).pipe(Effect.forkScoped)

      const count = Effect.map(
        sql<{ readonly count: number }>`SELECT count(*)::int4 AS count FROM ${seen}`,
        ([row]) => (load.reported = row?.count ?? 0)
      )
      /** Runs a consumer process and kills it when a condition is true, most likely within a batch. */
      const consumeUntil = (condition: (before: number) => Effect.Effect<boolean, unknown>) =>
        Effect.scoped(
          Effect.gen(function* () {
            const before = yield* count
            const running = yield* script("consumer.mjs", schema, "reporter")
            yield* until(condition(before))
            yield* running.kill
          })
        )
      const hasReported = (more: number) => (before: number) => Effect.map(count, (found) => found >= before + more)
      yield* consumeUntil(hasReported(20))
      yield* consumeUntil(hasReported(60))

      // Writers wait for the end of this transaction, and followers see none of its events before.
      const holder = yield* pool()
      const isHolding = yield* Deferred.make<number>()
      const held = yield* Effect.forkScoped(
        holder.sql
          .withTransaction(
            Effect.gen(function* () {
              const backlog = yield* BacklogService
              yield* backlog.create({ id: "held", title: "T", actor: "holder" })
              // Other sessions do not see the last event, which belongs to this transaction.
              yield* Deferred.succeed(isHolding, (yield* headPosition) - 1)
              yield* holder.sql`SELECT pg_sleep(5)`
              yield* backlog.create({ id: "held too", title: "T", actor: "holder" })
            })
          )
          .pipe(within(Context.add(holder.context, Scope.Scope, yield* Effect.scope)))
      )
      const whenHeld = yield* Deferred.await(isHolding)
      // Followers receive only the events that were committed before.
      yield* consumeUntil(() => Effect.map(count, (found) => found >= whenHeld))
      yield* consumeUntil(hasReported(40))
      yield* consumeUntil(hasReported(80))
      yield* Fiber.join(held)
      load.writing = false
      yield* Fiber.join(writers)

      const head = yield* headPosition
      yield* script("consumer.mjs", schema, "reporter")
      yield* until(Effect.map(count, (found) => found >= head))
      yield* until(Effect.sync(() => followed.length >= head))
      const everything = Array.from({ length: head }, (_, index) => index + 1)
      expect(followed).toEqual(everything)
      const rows = yield* sql<{ readonly position: number; readonly process: number }>`
        SELECT position::float8 AS position, process FROM ${seen} ORDER BY place`
      expect(rows.map(({ position }) => position)).toEqual(everything)
      expect(new Set(rows.map(({ process }) => process)).size).toBe(6)
      // The load was high and continued after the long transaction.
      expect(whenHeld).toBeLessThan(head - 100)
      expect(head).toBeGreaterThan(300)
    })
  )
})
