import { layer } from "@effect/vitest"
import { Context, DateTime, Effect, Fiber, Layer, Option, Result, Stream } from "effect"
import { LogFileCheck } from "../../../src/projections/LogFileCheck.ts"
import { AuditService } from "../../../src/services/AuditService.ts"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { RemovalSchedule } from "../../../src/services/audit/Erasures.ts"
import { BacklogTestClock, layerPostgres } from "../../../src/services/layers.ts"
import { BacklogSchema } from "../../../src/sql/SchemaName.ts"
import { type Client, freshBacklog, postgresClient, postgresUrl, type TestBacklog } from "../../support/backlogs.ts"
import { layeredCards, makeRandom, type Random } from "../../support/random.ts"
import { dump } from "../../support/tampering.ts"
import { verifiesItself, verifyBacklog } from "../../support/verifyBacklog.ts"
import { expect } from "vitest"

type Service = BacklogService["Service"]

const cardCount = 60

/** The services with their own pool, as in another process, on the server's clock. */
const pool = ({ size = 2 } = {}) =>
  Effect.gen(function* () {
    const schema = yield* BacklogSchema
    const backlog = layerPostgres({ url: postgresUrl(), schema, poolSize: size })
    const context = yield* Layer.build(Layer.fresh(Layer.provide(backlog, Layer.succeed(RemovalSchedule)("off"))))
    return { audit: Context.get(context, AuditService), backlog: Context.get(context, BacklogService) }
  })

/** A random command for a random card, which may be refused. */
const anything = (backlog: Service, random: Random, actor: string): Effect.Effect<unknown, unknown> => {
  const id = `c${random.below(cardCount)}`
  switch (random.below(9)) {
    case 0:
      return backlog.claim({ owner: actor, ttlSeconds: 1, actor })
    case 1:
      return backlog.claim({ owner: actor, id, actor })
    case 2:
      return Effect.flatMap(backlog.get(id), (card) => {
        const token = Option.getOrUndefined(card)?.claimToken
        return typeof token === "number" && random.below(2) === 0
          ? backlog.release({ id, token, retryAfterSeconds: random.below(2), actor })
          : backlog.complete({ id, force: true, result: random.below(10), actor })
      })
    case 3:
      return backlog.reopen({ id, reason: "again", actor })
    case 4:
      return backlog.link({ from: id, to: `c${random.below(cardCount)}`, actor })
    case 5:
      return backlog.unlink({ from: id, to: `c${random.below(cardCount)}`, actor })
    case 6:
      return backlog.block({ id, reason: "because", actor })
    case 7:
      return backlog.unblock({ id, actor })
    default:
      return backlog.revise({ id, title: `Title ${random.below(100)}`, body: "a secret", actor })
  }
}

/** Ignores refusals. Every other failure fails the test. */
const refusalsAside = (effect: Effect.Effect<unknown, unknown>) =>
  Effect.flatMap(Effect.result(effect), (outcome) => {
    if (Result.isSuccess(outcome)) return Effect.void
    const tag = (outcome.failure as { readonly _tag?: string })._tag
    return tag === "SqlError" || tag === "InvalidInput" || tag === undefined
      ? Effect.fail(outcome.failure)
      : Effect.void
  })

const writers = 4

/** Runs writers, each with its own pool, until an effect completes, and returns the result of the effect. */
const whileWriting = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const pools = yield* Effect.all(Array.from({ length: writers }, () => pool()))
    const [first] = pools
    yield* (
      first?.backlog.createMany({ actor: "planner", cards: layeredCards(makeRandom(7), 6, cardCount / 6) }) ??
      Effect.void
    )
    let done = false
    let commands = 0
    const fibers = yield* Effect.forEach(pools, ({ backlog }, index) => {
      const random = makeRandom(index)
      const write: Effect.Effect<void, unknown> = Effect.suspend(() => {
        if (done) return Effect.void
        commands++
        return Effect.andThen(refusalsAside(anything(backlog, random, `w${index}`)), write)
      })
      return Effect.forkScoped(write)
    })
    const result = yield* Effect.ensuring(
      effect,
      Effect.sync(() => {
        done = true
      })
    )
    yield* Effect.forEach(fibers, (fiber) => Fiber.join(fiber))
    return { result, commands }
  })

layer(postgresClient(6), { timeout: "60 seconds", excludeTestServices: true })("while commands run", (it) => {
  /** A test with an empty backlog and pools on the server's clock. It verifies the log and the read model at the end. */
  const test = (title: string, body: Effect.Effect<void, unknown, TestBacklog | Client>) =>
    it.effect(title, () =>
      Effect.gen(function* () {
        yield* body
        // The test's clock does not move, unlike the server's.
        yield* (yield* BacklogTestClock).set(yield* DateTime.now)
        yield* verifyBacklog
        yield* verifiesItself
      }).pipe(Effect.provide(Layer.fresh(freshBacklog)))
    )

  test(
    "every verification reads one snapshot and finds no divergence",
    Effect.gen(function* () {
      const auditors = yield* Effect.all([pool({ size: 4 }), pool({ size: 4 })])
      const { commands, result } = yield* whileWriting(
        Effect.all(
          auditors.map(({ audit }) =>
            Effect.gen(function* () {
              const positions: Array<number> = []
              while (positions.length < 12) {
                const anchor = yield* audit.anchor()
                const [one, other] = yield* Effect.all([audit.verify({ anchor }), audit.verify()], {
                  concurrency: 2
                })
                expect(one.divergences).toEqual([])
                expect(other.divergences).toEqual([])
                expect(one.events).toBe(one.position)
                expect(one.position).toBeGreaterThanOrEqual(anchor.position)
                positions.push(one.position)
              }
              return positions
            })
          ),
          { concurrency: "unbounded" }
        )
      )
      expect(commands).toBeGreaterThan(writers)
      for (const positions of result) {
        expect(positions).toEqual([...positions].sort((one, other) => one - other))
        expect(new Set(positions).size).toBeGreaterThan(3)
      }
    })
  )

  test(
    "the state at a past moment never changes",
    Effect.gen(function* () {
      const { audit } = yield* pool({ size: 4 })
      yield* whileWriting(
        Effect.gen(function* () {
          let position = 0
          while (position < cardCount + 40) position = (yield* audit.anchor()).position
          const look = Effect.gen(function* () {
            const past = yield* audit.backlogAt({ position })
            return { stats: past.stats, cards: yield* past.list() }
          })
          const first = yield* look
          for (let again = 0; again < 5; again++) expect(yield* look).toEqual(first)
        })
      )
    })
  )

  test(
    "an export is one snapshot, even of cards that are redacted before its last line is read",
    Effect.gen(function* () {
      const { audit, backlog } = yield* pool({ size: 4 })
      // More lines than the export buffers.
      const count = 12_000
      const cards = Array.from({ length: count }, (_, index) => ({ id: `c${index}`, title: `Card ${index}` }))
      yield* backlog.createMany({ actor: "planner", cards })
      const file = new LogFileCheck()
      let number = 0
      yield* Stream.runForEach(audit.exportLog, (text) =>
        Effect.gen(function* () {
          number++
          expect(Result.isSuccess(file.push({ number, text }))).toBe(true)
          if (number !== 1) return
          for (const id of ["c0", `c${count - 1}`]) {
            yield* audit.redact({ id, parts: ["title"], reason: "asked for", actor: "auditor" })
          }
        })
      )
      expect(Result.getOrThrow(file.end())).toMatchObject({ events: count, erasedParts: 0, divergences: [] })
      expect((yield* audit.verify()).erasedParts).toBe(2)
    })
  )

  test(
    "a redaction leaves none of the erased text, and no command is lost",
    Effect.gen(function* () {
      const auditors = yield* Effect.all([pool(), pool()])
      const ids = Array.from({ length: cardCount }, (_, index) => `c${index}`)
      const redact = { parts: ["body", "title"], reason: "asked for", actor: "auditor" } as const
      const { commands } = yield* whileWriting(
        // Both auditors erase the same parts, in opposite orders.
        Effect.forEach(
          auditors,
          ({ audit }, index) =>
            Effect.forEach(index === 0 ? ids : ids.toReversed(), (id) => audit.redact({ ...redact, id }), {
              concurrency: 2
            }),
          { concurrency: "unbounded" }
        )
      )
      expect(commands).toBeGreaterThan(writers)
      const [auditor] = auditors
      if (auditor === undefined) throw new Error("there is no auditor")
      yield* Effect.forEach(ids, (id) => auditor.audit.redact({ ...redact, id }))
      const cards = yield* auditor.backlog.list()
      expect(
        cards.filter(({ body, title }) => title !== "[redacted]" || (body ?? "[redacted]") !== "[redacted]")
      ).toEqual([])
      expect(JSON.stringify(yield* dump("events", "cards"))).not.toContain("a secret")
      expect((yield* auditor.audit.verify()).erasedParts).toBeGreaterThanOrEqual(cardCount)
    })
  )
})
