import { Effect, Fiber, Option, Result } from "effect"
import { expect } from "vitest"
import { AuditService } from "../../../src/services/AuditService.ts"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { BacklogSchema } from "../../../src/sql/SchemaName.ts"
import { headPosition } from "../../support/backlogs.ts"
import { findShadowSchemas, tableNumbers } from "../../support/catalog.ts"
import { onServer } from "../../support/databases.ts"
import { pool } from "../../support/pools.ts"
import { makeRandom } from "../../support/random.ts"
import { script } from "../../support/scripts.ts"
import { verifiesItself, verifyBacklog } from "../../support/verifyBacklog.ts"

const unbounded = { concurrency: "unbounded" } as const

/** Sends every command that changes the read model, for few cards and from several pools, until it is stopped. */
const load = Effect.gen(function* () {
  const pools = yield* Effect.all([pool(), pool(), pool(), pool()])
  const random = makeRandom(1)
  const names = Array.from({ length: 60 }, (_, index) => `c${index}`)
  const failures: Array<unknown> = []
  const actor = "ann"
  let created = 0
  let commands = 0
  const state = { going: true }
  const command = ({
    audit,
    backlog,
    sql
  }: (typeof pools)[number]): Effect.Effect<unknown, { readonly _tag: string }> => {
    const id = random.pick(names)
    const other = random.pick(names)
    switch (random.below(13)) {
      case 0:
        return backlog.create({ id: `n${created++}`, title: "T", body: "B", dependsOn: [id, other], actor })
      case 1: {
        const first = `n${created++}`
        return backlog.createMany({
          actor,
          cards: [
            { id: `${first}+`, title: "T", dependsOn: [first, `n${created + 5}`] },
            { id: first, title: "T", dependsOn: [id], idempotencyKey: first }
          ]
        })
      }
      case 2:
        return backlog.link({ from: id, to: other, actor })
      case 3:
        return backlog.unlink({ from: id, to: other, actor })
      case 4:
      case 5:
        return Effect.flatMap(backlog.claim({ owner: "w", ttlSeconds: 1 + random.below(3), actor }), (claimed) =>
          Option.isNone(claimed)
            ? Effect.void
            : backlog.complete({ id: claimed.value.id, token: claimed.value.claimToken ?? 0, actor })
        )
      case 6:
        return backlog.complete({ id, force: true, actor })
      case 7:
        return backlog.reopen({ id, actor })
      case 8:
        return backlog.revise({ id, title: "T", body: `secret ${commands}`, actor })
      case 9:
        // With a vacuum of the whole log.
        return random.below(5) === 0
          ? audit.redact({ id, parts: ["body"], reason: "secret", actor })
          : backlog.block({ id, actor })
      case 10:
        return Effect.andThen(backlog.list({ claimability: "claimable" }), backlog.explain(id))
      case 11:
        return backlog.stats
      default:
        // A caller's transaction holds the head while it runs.
        return sql.withTransaction(
          Effect.gen(function* () {
            yield* sql`SELECT pg_sleep(0.01)`
            yield* backlog.revise({ id: `own${pools.findIndex((one) => one.sql === sql)}`, priority: commands, actor })
            yield* sql`SELECT pg_sleep(0.02)`
          })
        )
    }
  }
  yield* (pools[0]?.backlog ?? (yield* BacklogService)).createMany({
    actor,
    cards: [...names, ...pools.map((_, index) => `own${index}`)].map((id) => ({ id, title: "T", body: "B" }))
  })
  const workers = yield* Effect.forkScoped(
    Effect.forEach(
      pools,
      (one) =>
        Effect.gen(function* () {
          while (state.going) {
            const result = yield* Effect.result(command(one))
            commands++
            // Rules refuse some of the random commands. The database must not refuse any.
            if (Result.isFailure(result) && ["SqlError", "InvalidInput"].includes(result.failure._tag)) {
              failures.push(result.failure)
            }
          }
        }),
      unbounded
    )
  )
  return {
    commands: () => commands,
    stop: Effect.gen(function* () {
      state.going = false
      yield* Fiber.join(workers)
      expect(failures).toEqual([])
    })
  }
})

onServer("under load, a rebuild", (test) => {
  test(
    "fails no command and loses no event, repeatedly",
    Effect.gen(function* () {
      const running = yield* load
      const { audit } = yield* pool()
      let rounds = 0
      for (let round = 0; round < 8; round++) {
        const [before, numbers] = [running.commands(), yield* tableNumbers]
        const report = yield* audit.rebuild()
        rounds += report.rounds
        expect(report.verification.divergences).toEqual([])
        expect(yield* tableNumbers).toEqual(expect.not.arrayContaining(numbers))
        // Commands continued.
        expect(running.commands()).toBeGreaterThan(before)
      }
      expect(rounds).toBeGreaterThan(0)
      yield* running.stop
      expect(yield* findShadowSchemas).toEqual([])
    })
  )

  test(
    "that is killed leaves a working backlog, and the next one removes its leftovers",
    Effect.gen(function* () {
      const schema = yield* BacklogSchema
      const audit = yield* AuditService
      const running = yield* load
      for (const [phase, time, swapped] of [
        ["preparing", 1, false],
        ["building", 2, false],
        ["counting", 1, false],
        ["catching up", 1, false],
        ["swapping", 1, false],
        // During the transaction that locks every table.
        ["swapping", 2, false],
        ["swapped", 1, true],
        ["verifying", 1, true]
      ] as const) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const numbers = yield* tableNumbers
            const rebuilding = yield* script("rebuild.mjs", schema, phase, String(time))
            yield* rebuilding.awaitLine("here")
            yield* rebuilding.kill
            // Commands continue at once, although the killed process held locks.
            const [before, head] = [running.commands(), yield* headPosition]
            yield* Effect.andThen(Effect.sleep("5 millis"), headPosition).pipe(
              Effect.repeat({ while: (now) => now <= head + 20 || running.commands() <= before })
            )
            expect([phase, yield* tableNumbers]).toEqual([
              phase,
              swapped ? expect.not.arrayContaining(numbers) : numbers
            ])
            yield* verifiesItself
          })
        )
      }
      yield* running.stop
      yield* verifyBacklog
      expect((yield* audit.rebuild()).verification.divergences).toEqual([])
      expect(yield* findShadowSchemas).toEqual([])
    })
  )
})
