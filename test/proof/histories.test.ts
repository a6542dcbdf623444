import { layer } from "@effect/vitest"
import { Context, Effect, Layer, Stream } from "effect"
import { expect } from "vitest"
import type { RecordedEvent } from "../../src/events/RecordedEvent.ts"
import { AuditService } from "../../src/services/AuditService.ts"
import { BacklogService } from "../../src/services/BacklogService.ts"
import {
  BacklogTestClock,
  checkClaimOrder,
  type History,
  layerTestOver,
  checkLinearizability,
  LogChecker,
  runConcurrently
} from "../../src/testing/index.ts"
import { BacklogSchema } from "../../src/sql/SchemaName.ts"
import { freshSchema, postgresClient, postgresUrl } from "../support/backlogs.ts"
import { amount, report, seed } from "../support/soak.ts"
import { verifyBacklog } from "../support/verifyBacklog.ts"
import { findViolations } from "./historyExample.ts"

const poolCount = 4

/** One backlog over several connection pools with the same clock: layers of one memo map share it. */
const pools = Effect.fnUntraced(function* (schema: string) {
  const memoMap = yield* Layer.makeMemoMap
  const scope = yield* Effect.scope
  const contexts = yield* Effect.forEach(Array.from({ length: poolCount }), () =>
    Layer.buildWithMemoMap(layerTestOver(postgresClient(2), schema), memoMap, scope)
  )
  const [first, ...rest] = contexts
  if (first === undefined) throw new Error("the test needs at least one pool")
  const clock = Context.get(first, BacklogTestClock)
  for (const each of rest) expect(Context.get(each, BacklogTestClock)).toBe(clock)
  const backlogs = [
    Context.get(first, BacklogService),
    ...rest.map((each) => Context.get(each, BacklogService))
  ] as const
  return { audit: Context.get(first, AuditService), backlogs, clock }
})

layer(postgresClient(), { timeout: "60 seconds", excludeTestServices: true })("histories of several pools", (it) => {
  it.effect(
    "histories are linearizable card by card, claims are in claim order, and every state keeps the invariants",
    () =>
      Effect.gen(function* () {
        const schema = yield* freshSchema
        const { audit, backlogs, clock } = yield* pools(schema)
        const check = new LogChecker()
        const compared = { claims: 0, pairs: 0 }
        for (let round = 0; round < amount(5, 100); round++) {
          const historySeed = seed * 1000 + round
          const cardsBefore = new Map(check.cards)
          const history: History = yield* runConcurrently({
            backlogs,
            clock,
            seed: historySeed,
            prefix: `${round}.`,
            workload: round % 3 === 2 ? "claims" : "mixed"
          })
          const events: Array<RecordedEvent> = []
          const violations: Array<string> = []
          yield* Stream.runForEach(audit.events({ after: check.position }), (event) =>
            Effect.sync(() => {
              events.push(event)
              violations.push(...check.add(event))
            })
          )
          const ordered = checkLinearizability(history)
          const claims = checkClaimOrder(history, events, cardsBefore)
          const found = [...violations, ...ordered.violations, ...claims.violations]
          expect(found, `history of the seed ${historySeed}:\n${found.join("\n")}`).toEqual([])
          compared.claims += claims.claims
          compared.pairs += claims.compared
          report({ programs: 1, operations: history.operations.length, "histories checked": 1 })
        }
        expect(compared.pairs).toBeGreaterThan(100)
        expect([check.doubleClaims, check.repeatedCommands]).toEqual([0, 0])
        report({
          "states checked against the log": check.position,
          "double claims": check.doubleClaims,
          "commands applied twice": check.repeatedCommands
        })
        yield* Effect.provideService(verifyBacklog, BacklogSchema, schema)
      }),
    600_000
  )

  it.effect("the example in docs/testing.md finds no violation", () =>
    Effect.gen(function* () {
      const schema = yield* freshSchema
      expect(yield* Effect.scoped(findViolations(postgresUrl(), schema))).toEqual([])
    })
  )
})
