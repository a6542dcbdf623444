import { Console, DateTime, Effect, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { AuditService, keepAnchors } from "../../../src/index.ts"

/** Prints every event after the 1,200th, until it is interrupted. */
export const tell = Effect.gen(function* () {
  const audit = yield* AuditService
  yield* audit
    .events({ after: 1200, follow: true })
    .pipe(Stream.runForEach((event) => Console.log(event.position, event.type, event.cardId)))
})

/** Writes of every event into a table, until it is interrupted. */
export const mail = Effect.gen(function* () {
  const audit = yield* AuditService
  const sql = yield* SqlClient.SqlClient
  yield* audit.consume({
    consumer: "mailer",
    follow: true,
    parkAfter: 5,
    handler: (event) => sql`INSERT INTO outbox (position, type) VALUES (${event.position}, ${event.type})`
  })
})

/** Appends anchors to a file, until its scope ends. */
export const keep = Effect.fnUntraced(function* (file: string) {
  const { _tag, anchor } = yield* keepAnchors({ file, every: "15 minutes" })
  yield* Console.log(_tag, anchor.position)
})

/** Returns the completions and cycle times of a day. */
export const measureDay = Effect.gen(function* () {
  const audit = yield* AuditService
  const { buckets, cycleTime } = yield* audit.flow({
    from: DateTime.makeUnsafe("2026-01-22T00:00:00Z"),
    to: DateTime.makeUnsafe("2026-01-23T00:00:00Z"),
    bucket: "hour"
  })
  return { buckets, cycleTime }
})
