import { Context, Duration, Effect, Fiber, Layer, Option } from "effect"
import { SqlClient } from "effect/sql"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { layerPostgres, layerTestOver } from "../../../src/services/layers.ts"
import { PollInterval } from "../../../src/services/waiting/CommitNotifications.ts"
import { DatabaseClock } from "../../../src/sql/DatabaseClock.ts"
import { BacklogSchema } from "../../../src/sql/SchemaName.ts"
import { currentClient, postgresUrl } from "../../support/backlogs.ts"
import { onBothDatabases, onServer } from "../../support/databases.ts"
import { until } from "../../support/waiting.ts"
import { expect } from "vitest"

const noPolling = Layer.succeed(PollInterval)(Duration.days(1))

/** Another service over the test's backlog whose waiters do not poll. */
const withoutPolling = Effect.gen(function* () {
  const layer = Layer.provide(layerTestOver(yield* currentClient, yield* BacklogSchema), noPolling)
  return Context.get(yield* Layer.build(Layer.fresh(layer)), BacklogService)
})

/** Starts a startWaiter and records whether it was woken. */
const startWaiter = Effect.fnUntraced(function* (
  backlog: BacklogService["Service"],
  options: Parameters<BacklogService["Service"]["awaitClaimable"]>[0] = {}
) {
  let wasWoken = false
  const fiber = yield* Effect.forkScoped(
    Effect.tap(backlog.awaitClaimable({ waitSeconds: 600, ...options }), (is) => Effect.sync(() => (wasWoken = is)))
  )
  return { isCalled: Effect.sync(() => wasWoken), fiber }
})

const countWoken = (waiters: ReadonlyArray<{ readonly isCalled: Effect.Effect<boolean> }>) =>
  Effect.map(
    Effect.forEach(waiters, ({ isCalled }) => isCalled),
    (all) => all.filter((wasWoken) => wasWoken).length
  )

onBothDatabases("waiting for a claimable card", (test) => {
  test(
    "ends with the commit that makes a matching card claimable, and one card does not wake all waiters",
    Effect.gen(function* () {
      const backlog = yield* withoutPolling
      const card = (id: string, more: object = {}) => backlog.create({ id, title: "T", actor: "ann", ...more })
      const anything = yield* Effect.forEach(Array.from({ length: 20 }), () => startWaiter(backlog))
      const tests = yield* startWaiter(backlog, { phase: "test" })
      const urgent = yield* startWaiter(backlog, { minPriority: 5 })
      yield* card("a", { dependsOn: ["b"], phase: "test" })
      yield* card("b", { status: "blocked" })
      expect(yield* countWoken([...anything, tests, urgent])).toBe(0)
      yield* backlog.complete({ id: "b", actor: "ann" })
      yield* Fiber.join(tests.fiber)
      yield* until(Effect.map(countWoken(anything), (wasWoken) => wasWoken > 0))
      const claimed = Option.getOrThrow(yield* backlog.claim({ owner: "w", actor: "w" }))
      // One commit's notifications and new waiters wake few waiters.
      expect(yield* countWoken(anything)).toBeLessThan(6)
      expect(yield* countWoken([urgent])).toBe(0)
      yield* backlog.release({ id: "a", token: claimed.claimToken ?? 0, actor: "w" })
      yield* until(Effect.map(countWoken(anything), (wasWoken) => wasWoken > 1))
      yield* card("c", { priority: 5 })
      yield* Fiber.join(urgent.fiber)
      yield* Effect.forEach(anything, ({ fiber }) => Fiber.interrupt(fiber))
      // An existing card is found at once, and no startWaiter waits longer than requested.
      expect(yield* backlog.awaitClaimable()).toBe(true)
      yield* backlog.claimMany({ owner: "w", limit: 2, actor: "w" })
      expect(yield* backlog.awaitClaimable({ waitSeconds: 1 })).toBe(false)
    })
  )
})

/** The test's backlog with a separate pool, like another process, and with the database's clock. */
const separateProcess = Effect.gen(function* () {
  const schema = yield* BacklogSchema
  const serversClock = Layer.succeed(DatabaseClock)({ override: () => null })
  const layer = Layer.provide(layerPostgres({ url: postgresUrl(), schema, poolSize: 3 }), [noPolling, serversClock])
  const context = yield* Layer.build(Layer.fresh(layer))
  return { backlog: Context.get(context, BacklogService), sql: Context.get(context, SqlClient.SqlClient) }
})

onServer("waiting for a card that another process makes claimable", (test) => {
  test(
    "ends after a commit, when a lease expires and when a retry time comes, and fails when the database fails",
    Effect.gen(function* () {
      const { backlog } = yield* separateProcess
      const other = yield* separateProcess
      const waits = yield* startWaiter(backlog)
      const fails = yield* startWaiter(other.backlog, { phase: "nowhere" })
      yield* other.backlog.create({ id: "a", title: "T", actor: "ann" })
      yield* Fiber.join(waits.fiber)

      yield* other.backlog.claim({ owner: "dead", ttlSeconds: 1, actor: "w" })
      expect(yield* backlog.awaitClaimable({ waitSeconds: 0 })).toBe(false)
      expect(yield* backlog.awaitClaimable({ waitSeconds: 600 })).toBe(true)
      const again = Option.getOrThrow(yield* backlog.claim({ owner: "w", actor: "w" }))
      yield* backlog.release({ id: "a", token: again.claimToken ?? 0, retryAfterSeconds: 1, actor: "w" })
      expect(yield* backlog.awaitClaimable({ waitSeconds: 600 })).toBe(true)

      const schema = yield* BacklogSchema
      const { sql } = other
      yield* sql`ALTER TABLE ${sql(`${schema}.cards`)} RENAME TO gone`
      yield* startWaiter(other.backlog)
      expect((yield* Effect.flip(Fiber.join(fails.fiber)))._tag).toBe("SqlError")
      yield* sql`ALTER TABLE ${sql(`${schema}.gone`)} RENAME TO cards`
      expect(yield* other.backlog.awaitClaimable()).toBe(true)
    })
  )
})
