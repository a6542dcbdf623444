import { Effect, Option } from "effect"
import { AuditService } from "../../../src/services/AuditService.ts"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { BacklogTestClock } from "../../../src/services/layers.ts"

/** The number of events of the plot. */
export const plotLength = 22

/**
 * A backlog with every kind of event and of card, for tests that read or damage some of them. By position: 1 to 4 `a`,
 * `b`, `c` and `d` created at once; 5 to 7 `a` claimed, renewed, completed; 8 and 9 `b` claimed and released, not to be
 * retried before an hour; 10 `c` revised; 11 and 12 `d` unblocked and claimed; 13 `e` created; 14 and 15 `c` linked to
 * `e` and revised again; 16 and 17 `f` created and blocked; 18 and 19 `g` created and redacted; 20 to 22 `f` unblocked,
 * completed, reopened. From 5 on each is recorded a second after the one before.
 */
export const plot = Effect.gen(function* () {
  const backlog = yield* BacklogService
  const audit = yield* AuditService
  const clock = yield* BacklogTestClock
  const tick = clock.advance("1 second")
  yield* backlog.createMany({
    actor: "planner",
    correlationId: "plan",
    causationId: "meeting",
    commandId: "create-all",
    cards: [
      {
        id: "a",
        title: "Title of a",
        body: "Body of a",
        acceptance: { rows: 1, large: 9_007_199_254_740_992 },
        phase: "one",
        priority: 1,
        idempotencyKey: "key of a"
      },
      { id: "b", title: "Title of b", dependsOn: ["a"], acceptance: 12_345 },
      { id: "c", title: "Title of c", dependsOn: ["a", "ghost"] },
      { id: "d", title: "Title of d", status: "blocked", blockedReason: "waits for c" }
    ]
  })
  yield* tick
  yield* backlog.claim({ owner: "w1", id: "a", actor: "w1" })
  yield* tick
  yield* backlog.renew({ id: "a", token: 2, ttlSeconds: 60, actor: "w1" })
  yield* tick
  yield* backlog.complete({ id: "a", token: 2, result: { ok: true }, actor: "w1" })
  yield* tick
  const claimed = Option.getOrThrow(yield* backlog.claim({ owner: "w2", id: "b", actor: "w2" }))
  yield* tick
  yield* backlog.release({ id: "b", token: claimed.version, reason: "later", retryAfterSeconds: 3_600, actor: "w2" })
  yield* tick
  yield* backlog.revise({ id: "c", title: "Second title of c", body: "Body of c", actor: "ann" })
  yield* tick
  yield* backlog.unblock({ id: "d", reason: "go", actor: "ann" })
  yield* tick
  yield* backlog.claim({ owner: "w3", id: "d", actor: "w3" })
  yield* tick
  yield* backlog.create({ id: "e", title: "Title of e", dependsOn: ["d"], actor: "ann" })
  yield* tick
  yield* backlog.link({ from: "c", to: "e", actor: "ann" })
  yield* tick
  yield* backlog.revise({ id: "c", priority: 5, actor: "ann" })
  yield* tick
  yield* backlog.create({ id: "f", title: "Title of f", actor: "ann" })
  yield* tick
  yield* backlog.block({ id: "f", reason: "because", actor: "ann" })
  yield* tick
  yield* backlog.create({ id: "g", title: "Title of g", body: "a secret", actor: "ann" })
  yield* tick
  yield* audit.redact({ id: "g", parts: ["body"], reason: "it was a secret", actor: "auditor" })
  yield* tick
  yield* backlog.unblock({ id: "f", reason: null, actor: "ann" })
  yield* tick
  yield* backlog.complete({ id: "f", result: [1], actor: "ann" })
  yield* tick
  yield* backlog.reopen({ id: "f", reason: "not yet", actor: "ann" })
})
