import { PgClient } from "@effect/sql-pg"
import { Context, Effect, Layer, Redacted, Stream } from "effect"
import { AuditService, BacklogService, type RecordedEvent } from "../../src/index.ts"
import {
  BacklogTestClock,
  checkClaimOrder,
  checkLinearizability,
  layerTestOver,
  LogChecker,
  runConcurrently
} from "../../src/testing/index.ts"

/** Runs six workers over two connection pools of a server, and returns the rules that were broken. */
export const findViolations = Effect.fn(function* (url: string, schema: string) {
  // Layers that are built with one memo map have one clock.
  const memoMap = yield* Layer.makeMemoMap
  const scope = yield* Effect.scope
  const buildPool = () =>
    Layer.buildWithMemoMap(layerTestOver(PgClient.layer({ url: Redacted.make(url) }), schema), memoMap, scope)
  const [one, two] = [yield* buildPool(), yield* buildPool()]
  const history = yield* runConcurrently({
    backlogs: [Context.get(one, BacklogService), Context.get(two, BacklogService)],
    clock: Context.get(one, BacklogTestClock),
    seed: 1,
    prefix: "1."
  })
  const log = new LogChecker()
  const events: Array<RecordedEvent> = []
  const violations: Array<string> = []
  yield* Stream.runForEach(Context.get(one, AuditService).events(), (event) =>
    Effect.sync(() => {
      events.push(event)
      violations.push(...log.add(event))
    })
  )
  return [...violations, ...checkLinearizability(history).violations, ...checkClaimOrder(history, events).violations]
})
