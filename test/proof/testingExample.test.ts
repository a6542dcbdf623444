import { layer } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { expect } from "vitest"
import { AuditService, BacklogService, type RecordedEvent } from "../../src/index.ts"
import { layerTest, LogChecker, simulate } from "../../src/testing/index.ts"

/** What an event does to the number of finished cards, which our service keeps in a table of its own. */
const finishedBy = ({ data, type }: RecordedEvent): number =>
  type === "CardCompleted" || (type === "CardCreated" && data["status"] === "done")
    ? 1
    : type === "CardReopened"
      ? -1
      : 0

const catchUp = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const audit = yield* AuditService
  yield* sql`CREATE TABLE IF NOT EXISTS finished (number int NOT NULL)`
  yield* sql`INSERT INTO finished SELECT 0 WHERE NOT EXISTS (SELECT FROM finished)`
  yield* audit.consume({
    consumer: "finished",
    handler: (event) => sql`UPDATE finished SET number = number + ${finishedBy(event)}`.pipe(Effect.asVoid)
  })
  const rows = yield* sql<{ readonly number: number }>`SELECT number FROM finished`
  return rows[0]?.number
})

/** The invariant after every program: the service's number equals the backlog's. */
const agrees = Effect.gen(function* () {
  const ours = yield* catchUp
  const { counts } = yield* (yield* BacklogService).stats
  return ours === counts.done ? [] : [`we count ${ours} finished cards, the backlog ${counts.done}`]
})

layer(layerTest, { timeout: "60 seconds" })("our service", (it) => {
  it.effect("our number of finished cards is the backlog's", () =>
    Effect.gen(function* () {
      yield* simulate({ seed: 1, programs: 10, layer: layerTest, check: agrees })
      const log = new LogChecker()
      const violations: Array<string> = []
      yield* Stream.runForEach((yield* AuditService).events(), (event) =>
        Effect.sync(() => violations.push(...log.add(event)))
      )
      expect(violations).toEqual([])
    })
  )
})
