import { DateTime, Effect, Option } from "effect"
import { SqlClient } from "effect/sql"
import { AuditService, BacklogService, layerPglite, layerPostgres } from "../../../src/index.ts"

export const program = Effect.gen(function* () {
  const backlog = yield* BacklogService
  yield* backlog.create({ id: "design", title: "Design it", actor: "planner" })
  const claimed = yield* backlog.claim({ owner: "worker-1", actor: "worker-1" })
  if (Option.isSome(claimed)) {
    const { claimToken, id } = claimed.value
    yield* backlog.complete({ id, token: claimToken, actor: "worker-1" })
  }
})

export const runInMemory = () => Effect.runPromise(Effect.provide(program, layerPglite()))

export const runInDirectory = () => Effect.runPromise(Effect.provide(program, layerPglite({ dataDir: ".backlog" })))

export const runOnServer = () =>
  Effect.runPromise(Effect.provide(program, layerPostgres({ url: "postgres://app:secret@db.example.com/work" })))

export const createWithDependency = Effect.gen(function* () {
  const backlog = yield* BacklogService
  yield* backlog.create({ id: "design", title: "Design it", actor: "planner" })
  yield* backlog.create({ id: "build", title: "Build it", dependsOn: ["design"], actor: "planner" })
})

export const claimAndComplete = Effect.gen(function* () {
  const backlog = yield* BacklogService
  const claimed = yield* backlog.claim({ owner: "worker-1", ttlSeconds: 300, actor: "worker-1" })
  if (Option.isSome(claimed)) {
    const { claimToken, id } = claimed.value
    yield* backlog.complete({ id, token: claimToken, result: "done", actor: "worker-1" })
  }
})

export const completeAndClaimNext = Effect.gen(function* () {
  const backlog = yield* BacklogService
  const { madeClaimable, next } = yield* backlog.complete({
    id: "design",
    token: 2,
    claimNext: { owner: "worker-1" },
    actor: "worker-1"
  })
  return { madeClaimable, next }
})

export const waitForWork = Effect.gen(function* () {
  const backlog = yield* BacklogService
  const claimed = yield* backlog.claim({ owner: "worker-1", actor: "worker-1" })
  if (Option.isNone(claimed)) yield* backlog.awaitClaimable({ waitSeconds: 60 })
})

export const readThePast = Effect.gen(function* () {
  const audit = yield* AuditService
  const card = yield* audit.cardAt("design", { time: DateTime.makeUnsafe("2026-01-31T12:00:00Z") })
  return card
})

export const measurePhases = Effect.gen(function* () {
  const audit = yield* AuditService
  const { groups } = yield* audit.flow({
    from: DateTime.makeUnsafe("2026-01-30T00:00:00Z"),
    to: DateTime.makeUnsafe("2026-01-31T00:00:00Z"),
    bucket: "hour",
    by: "phase"
  })
  return groups
})

export const report = Effect.gen(function* () {
  const audit = yield* AuditService
  const sql = yield* SqlClient.SqlClient
  yield* audit.consume({
    consumer: "report",
    type: "CardCompleted",
    follow: true,
    handler: ({ cardId, recordedAt }) =>
      Effect.asVoid(sql`INSERT INTO report VALUES (${cardId}, ${DateTime.toDateUtc(recordedAt)})`)
  })
})
