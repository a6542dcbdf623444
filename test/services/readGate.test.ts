import { layer } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber, Option, Ref, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { expect } from "vitest"
import { AccessTokens, AuditService, BacklogService, Doctor } from "../../src/index.ts"
import { postgresClient, within } from "../support/backlogs.ts"
import { layerPgliteClient } from "../../src/services/pglite/PgliteClient.ts"
import {
  accessTokenMethods,
  auditMethods,
  backlogAtMethods,
  backlogMethods,
  doctorMethods,
  prepareReads,
  type Read
} from "../support/reads.ts"
import { backlogBehind, closed, type ReadServices, TestBarrier } from "../support/testBarrier.ts"
import { until } from "../support/waiting.ts"

const servicesOf = (context: Context.Context<ReadServices>) => ({
  backlog: Context.get(context, BacklogService),
  audit: Context.get(context, AuditService),
  doctor: Context.get(context, Doctor),
  tokens: Context.get(context, AccessTokens)
})

/** The reads of a service, each with the service. Its keys must be those of the table. */
const readsOf = <Service extends object>(
  name: string,
  service: Service,
  methods: Readonly<Record<keyof Service, Read<Service> | string>>
): ReadonlyArray<{ readonly name: string; readonly shows: number; readonly run: Effect.Effect<unknown, unknown> }> => {
  expect(Object.keys(methods).toSorted()).toEqual(Object.keys(service).toSorted())
  return Object.entries<Read<Service> | string>(methods).flatMap(([method, read]) =>
    typeof read === "string" ? [] : [{ name: `${name}.${method}`, shows: read.shows, run: read.run(service) }]
  )
}

/** All reads of a backlog that `prepareReads` filled. */
const allReads = Effect.fnUntraced(function* (context: Context.Context<ReadServices>) {
  const { audit, backlog, doctor, tokens } = servicesOf(context)
  yield* prepareReads(backlog, audit)
  return [
    ...readsOf("BacklogService", backlog, backlogMethods),
    ...readsOf("AuditService", audit, auditMethods),
    ...readsOf("BacklogAt", yield* audit.backlogAt({ position: 3 }), backlogAtMethods),
    ...readsOf("Doctor", doctor, doctorMethods),
    ...readsOf("AccessTokens", tokens, accessTokenMethods)
  ]
})

for (const [database, client] of [
  ["a server", postgresClient(4)],
  ["an embedded database", layerPgliteClient()]
] as const) {
  layer(client, { timeout: "60 seconds", excludeTestServices: true })(`the read gate over ${database}`, (it) => {
    it.effect("no read of any service returns or emits anything while the gate is closed", () =>
      Effect.gen(function* () {
        const barrier = new TestBarrier()
        const reads = yield* allReads(yield* backlogBehind(barrier))
        barrier.close()
        const failures: Array<readonly [string, unknown]> = []
        for (const { name, run } of reads) failures.push([name, yield* Effect.flip(run)])
        expect(failures).toEqual(reads.map(({ name }) => [name, closed]))
      })
    )

    it.effect("every read names the last position that it shows", () =>
      Effect.gen(function* () {
        const barrier = new TestBarrier()
        const reads = yield* allReads(yield* backlogBehind(barrier))
        barrier.reached = -1
        const shown: Array<readonly [string, number]> = []
        for (const { name, run } of reads) {
          barrier.waited.length = 0
          yield* run.pipe(Effect.catchTag("AccessTokenRefused" as never, () => Effect.void))
          shown.push([name, Math.max(...barrier.waited)])
        }
        expect(shown).toEqual(reads.map(({ name, shows }) => [name, shows]))
      })
    )

    it.effect("an empty list and a missing card show what their absence depends on", () =>
      Effect.gen(function* () {
        const barrier = new TestBarrier()
        const { audit, backlog } = servicesOf(yield* backlogBehind(barrier))
        yield* prepareReads(backlog, audit)
        barrier.reached = -1
        yield* backlog.list({ phase: "of no card" })
        // No event takes a card away, so its absence depends on none.
        yield* backlog.get("missing")
        yield* audit.cardAt("missing", { version: 1 })
        expect(barrier.waited).toEqual([5, 0, 0])
      })
    )

    it.effect("commands do not pass it", () =>
      Effect.gen(function* () {
        const barrier = new TestBarrier()
        const { audit, backlog } = servicesOf(yield* backlogBehind(barrier))
        barrier.close()
        yield* backlog.create({ id: "a", title: "A", actor: "ann" })
        expect(Option.isSome(yield* backlog.claim({ owner: "w", actor: "w" }))).toBe(true)
        expect((yield* audit.redact({ id: "a", parts: ["title"], reason: "a leak", actor: "ann" })).erased).not.toEqual(
          []
        )
        expect(barrier.waited).toEqual([])
      })
    )

    it.effect("a read waits until its position is reached, and one before it does not", () =>
      Effect.gen(function* () {
        const barrier = new TestBarrier()
        const { audit, backlog } = servicesOf(yield* backlogBehind(barrier))
        yield* prepareReads(backlog, audit)
        const opened = yield* Deferred.make<void>()
        barrier.reached = 3
        barrier.onWait = () => Deferred.await(opened)
        // Shows only its own card, whose last event is 3.
        expect(Option.isSome(yield* backlog.get("a"))).toBe(true)
        const received = yield* Ref.make<ReadonlyArray<number>>([])
        const follower = yield* Effect.forkScoped(
          Stream.runForEach(Stream.take(audit.events({ follow: true }), 5), ({ position }) =>
            Ref.update(received, (positions) => [...positions, position])
          )
        )
        const reader = yield* Effect.forkScoped(backlog.stats)
        yield* until(Effect.sync(() => barrier.waited.length >= 2))
        expect(yield* Ref.get(received)).toEqual([])
        expect(reader.pollUnsafe()).toBeUndefined()
        yield* Deferred.succeed(opened, undefined)
        expect((yield* Fiber.join(reader)).total).toBe(3)
        yield* Fiber.join(follower)
        expect(yield* Ref.get(received)).toEqual([1, 2, 3, 4, 5])
      })
    )

    it.effect("an error that names the end of the log waits too", () =>
      Effect.gen(function* () {
        const barrier = new TestBarrier()
        const { audit, backlog } = servicesOf(yield* backlogBehind(barrier))
        yield* prepareReads(backlog, audit)
        barrier.reached = 4
        yield* Effect.forEach(
          [
            Stream.runDrain(audit.events({ after: 9 })),
            audit.cardAt("a", { position: 9 }),
            audit.park("consumer", 9, "too far")
          ],
          (read) => Effect.exit(read as Effect.Effect<unknown, unknown>)
        )
        expect(barrier.waited).toEqual([5, 5, 5])
      })
    )

    it.effect("the barrier learns of the caller's own transaction", () =>
      Effect.gen(function* () {
        const barrier = new TestBarrier()
        const context = yield* backlogBehind(barrier)
        const { backlog } = servicesOf(context)
        const sql = Context.get(context, SqlClient.SqlClient)
        yield* backlog.create({ id: "a", title: "A", actor: "ann" })
        const seen: Array<boolean> = []
        barrier.reached = 0
        barrier.onWait = () =>
          Effect.map(Effect.serviceOption(sql.transactionService), (open) => {
            seen.push(Option.isSome(open))
          })
        yield* within(context)(sql.withTransaction(backlog.get("a")))
        yield* backlog.get("a")
        expect(seen).toEqual([true, false])
      })
    )
  })
}

layer(postgresClient(1), { timeout: "60 seconds", excludeTestServices: true })(
  "the read gate over one connection",
  (it) => {
    it.effect("a read that waits occupies no connection", () =>
      Effect.gen(function* () {
        const barrier = new TestBarrier()
        const context = yield* backlogBehind(barrier)
        const { audit, backlog } = servicesOf(context)
        const sql = Context.get(context, SqlClient.SqlClient)
        yield* backlog.create({ id: "a", title: "A", actor: "ann" })
        barrier.reached = 0
        barrier.onWait = () => Effect.asVoid(sql`SELECT 1`)
        for (const read of [
          backlog.get("a"),
          backlog.list(),
          backlog.stats,
          audit.anchor(),
          Stream.runCollect(audit.events())
        ]) {
          yield* read as Effect.Effect<unknown, unknown>
        }
      })
    )
  }
)
