import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { expect } from "vitest"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { headPosition } from "../../support/backlogs.ts"
import { onBothDatabases } from "../../support/databases.ts"
import { readLog } from "../../support/verifyBacklog.ts"

/** More than three calls of the database's function: each appends at most 1,000 events. */
const count = 3_000

const createCards = (length = count) =>
  Effect.flatMap(BacklogService, (backlog) =>
    backlog.createMany({
      actor: "ann",
      commandId: "create",
      cards: Array.from({ length }, (_, index) => ({
        id: `c${index}`,
        title: `Title of "${index}"`,
        body: `Line one\nline two of ${index}, \\n ${"text ".repeat(index % 50)}`,
        acceptance: { index, done: false },
        ...(index % 3 === 0 ? {} : { dependsOn: [`c${index - 1}`] }),
        ...(index % 7 === 0 ? { status: "done" as const } : {})
      }))
    })
  )

// The log, the rows and the counts are verified after every test.
onBothDatabases("a batch in several calls of the database's function", (test) => {
  test(
    "appends events without gaps, updates the counts once, and has one receipt",
    Effect.gen(function* () {
      const created = yield* createCards()
      expect(created.length).toBe(count)
      expect(yield* headPosition).toBe(count)
      expect((yield* readLog).map(({ position }) => position)).toEqual(
        Array.from({ length: count }, (_, index) => index + 1)
      )
      const backlog = yield* BacklogService
      const { counts } = yield* backlog.stats
      expect(counts.ready + counts.done).toBe(count)
      // The receipt is written once, in the last call.
      expect(yield* createCards()).toEqual(created)
      expect(yield* headPosition).toBe(count)

      const claimed = yield* backlog.claimMany({ owner: "w", limit: 1_000, actor: "w" })
      expect(claimed.length).toBeGreaterThan(500)
      yield* backlog.completeMany({
        actor: "w",
        completions: claimed.map(({ claimToken, id }) => ({ id, token: claimToken ?? 0, result: { of: id } }))
      })
    })
  )

  test(
    "leaves nothing when the caller's transaction is rolled back",
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* Effect.exit(sql.withTransaction(Effect.andThen(createCards(1_001), Effect.fail("stop"))))
      expect(yield* headPosition).toBe(0)
      expect(yield* (yield* BacklogService).list({ limit: 1 })).toEqual([])
      yield* createCards(1_001)
      expect(yield* headPosition).toBe(1_001)
    })
  )
})
