import { Effect } from "effect"
import { expect } from "vitest"
import { AuditService } from "../../src/services/AuditService.ts"
import { BacklogService } from "../../src/services/BacklogService.ts"
import { tables } from "../support/backlogs.ts"
import { onBothDatabases } from "../support/databases.ts"

const someCards = Effect.gen(function* () {
  const backlog = yield* BacklogService
  yield* backlog.create({ id: "a", title: "A", actor: "ann" })
  yield* backlog.create({ id: "b", title: "B", dependsOn: ["a", "c"], actor: "ann" })
  yield* backlog.claim({ owner: "w", actor: "w" })
  return backlog
})

/** Makes the counts wrong and older than the log, like a program version that does not maintain counts. */
const makeCountsStale = Effect.gen(function* () {
  const { counts, sql } = yield* tables
  yield* sql`UPDATE ${counts} SET position = position - 1, ready = 70, waiting = 7`
})

onBothDatabases("counts", (test) => {
  test(
    "that are behind the log are neither read nor updated, and are recounted by a rebuild",
    Effect.gen(function* () {
      const backlog = yield* someCards
      const { counts, sql } = yield* tables
      yield* makeCountsStale
      expect((yield* backlog.stats).counts).toEqual({ ready: 1, claimed: 1, blocked: 0, done: 0 })
      yield* backlog.create({ id: "c", title: "C", actor: "ann" })
      expect(yield* backlog.stats).toMatchObject({ counts: { ready: 2 }, claimable: 1, waiting: 1 })
      expect((yield* (yield* AuditService).verify()).divergences).toEqual([])
      yield* (yield* AuditService).rebuild()
      const [row] = yield* sql`SELECT position::int4, ready::int4, waiting::int4 FROM ${counts}`
      expect({ ...row }).toEqual({ position: 4, ready: 2, waiting: 1 })
    })
  )

  test(
    "that are wrong are reported as a divergence, and a rebuild repairs them",
    Effect.gen(function* () {
      yield* someCards
      const audit = yield* AuditService
      const { counts, sql } = yield* tables
      yield* sql`UPDATE ${counts} SET waiting = 7`
      const expected = { check: "counts", cardId: null, field: "waiting", expected: "1", found: "7" }
      expect((yield* audit.verify()).divergences).toMatchObject([expected])
      expect((yield* audit.rebuild()).verification.divergences).toEqual([])
      expect((yield* (yield* BacklogService).stats).waiting).toBe(1)
    })
  )
})
