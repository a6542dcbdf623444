import { it } from "@effect/vitest"
import { Effect, Fiber, Layer, Option } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { AuditService } from "../../src/services/AuditService.ts"
import { BacklogService } from "../../src/services/BacklogService.ts"
import { RemovalSchedule } from "../../src/services/audit/Erasures.ts"
import { layerPglite, layerPostgres } from "../../src/services/layers.ts"
import { startPostgres } from "../support/postgresServer.ts"
import { afterAll, describe, expect } from "vitest"

/*
 * Measures how long commands wait measureDuring a removal of erased bytes and how long it takes. Prints the times without a limit.
 */

const variable = "BACKLOG_REMOVAL_CARDS"
const cards = Number(process.env[variable] ?? 0)
const skips = cards === 0
const why = `it takes minutes: ${variable}=100000 npx vitest run test/security/removalWaits.test.ts`

const actor = "ann"
const atOnce = 500

/** Creates cards with three events each: their creation, claim and completion. */
const populate = Effect.gen(function* () {
  const backlog = yield* BacklogService
  for (let first = 0; first < cards; first += atOnce) {
    const count = Math.min(atOnce, cards - first)
    yield* backlog.createMany({
      actor,
      cards: Array.from({ length: count }, (_, index) => ({
        id: `c${first + index}`,
        title: `Card ${first + index}`,
        body: `${first + index} `.repeat(40),
        idempotencyKey: `k${first + index}`
      }))
    })
    const claimed = yield* backlog.claimMany({ owner: "w", limit: count, actor })
    yield* backlog.completeMany({
      actor,
      completions: claimed.map(({ claimToken, id }) => ({ id, token: claimToken ?? 0, result: { text: "done" } }))
    })
  }
})

/** Sends commands in sequence while an effect runs and returns their sorted durations in milliseconds. */
const measureDuring = Effect.fnUntraced(function* <A, E, R>(name: string, effect: Effect.Effect<A, E, R>) {
  const backlog = yield* BacklogService
  const state = { runs: true }
  const times: Array<number> = []
  const timed = <B, E2>(one: Effect.Effect<B, E2>) =>
    Effect.gen(function* () {
      const began = performance.now()
      const result = yield* one
      times.push(performance.now() - began)
      return result
    })
  const worker = yield* Effect.gen(function* () {
    for (let number = 0; state.runs; number++) {
      const id = `${name}-${number}`
      yield* timed(backlog.create({ id, title: "T", body: "B", actor, commandId: id }))
      const claimed = Option.getOrThrow(yield* timed(backlog.claim({ owner: "w", actor })))
      yield* timed(backlog.complete({ id: claimed.id, token: claimed.claimToken ?? 0, actor }))
      yield* Effect.sleep("1 millis")
    }
  }).pipe(Effect.forkChild)
  const began = performance.now()
  yield* effect
  const seconds = (performance.now() - began) / 1000
  state.runs = false
  yield* Fiber.join(worker)
  times.sort((left, right) => left - right)
  const at = (part: number) => Math.round(times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? 0)
  return {
    seconds: Math.round(seconds * 10) / 10,
    commands: times.length,
    medianMs: at(0.5),
    p99Ms: at(0.99),
    longestMs: at(1)
  }
})

const measured = Effect.fnUntraced(function* (database: string) {
  const audit = yield* AuditService
  yield* populate
  yield* audit.redact({ id: "c0", parts: ["body"], reason: "a key", actor })
  const without = yield* measureDuring("before", Effect.sleep("5 seconds"))
  const removal = yield* measureDuring("during", audit.removeErased())
  const { divergences, events } = yield* audit.verify()
  expect(divergences).toEqual([])
  expect(yield* audit.erasures({ pending: true })).toEqual([])
  process.stdout.write(`${JSON.stringify({ database, cards, events, without, removal })}\n`)
})

const byHand = Layer.succeed(RemovalSchedule)("off")

it.runIf(skips)("waits of commands during a removal are measured", (context) => context.skip(why))

describe.skipIf(skips)("waits of commands during a removal", () => {
  const directory = mkdtempSync(join(tmpdir(), "backlog-removal-"))
  afterAll(() => rmSync(directory, { recursive: true }))

  it.live(
    "are printed for a server",
    () =>
      Effect.gen(function* () {
        const server = yield* Effect.acquireRelease(
          Effect.promise(() => startPostgres()),
          ({ stop }) => Effect.promise(stop)
        )
        yield* Effect.provide(
          measured("server"),
          layerPostgres({ url: server.url, poolSize: 4 }).pipe(Layer.provide(byHand))
        )
      }).pipe(Effect.scoped),
    3_600_000
  )

  it.live(
    "are printed for a directory",
    () => Effect.provide(measured("directory"), layerPglite({ dataDir: directory }).pipe(Layer.provide(byHand))),
    3_600_000
  )
})
