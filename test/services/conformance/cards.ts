import { Effect, Option } from "effect"
import { expect } from "vitest"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { BacklogTestClock } from "../../../src/services/layers.ts"
import { eventsOf, headPosition, plain, writesNothing } from "../../support/backlogs.ts"
import { readLog } from "../../support/verifyBacklog.ts"
import { after, created, ids, input, refusal, start, type Test, utc } from "./harness.ts"

/** Creating and revising cards. */
export const cards = (test: Test): void => {
  test(
    "creates a card with every field",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const all = {
        body: "two\nlines",
        phase: "build",
        priority: -7,
        status: "blocked",
        acceptance: { must: ["pass"] },
        idempotencyKey: "key 1",
        blockedReason: "waits for a decision"
      } as const
      const answer = yield* backlog.create(
        input("a", {
          ...all,
          dependsOn: ["z", "b", "z"],
          occurredAt: utc("2025-06-01T12:00:00.123Z"),
          correlationId: "correlation",
          causationId: "cause",
          commandId: "command"
        })
      )
      const time = "2025-06-01T12:00:00.123Z"
      const expected = created("a", { ...all, dependsOn: ["b", "z"], createdAt: time, updatedAt: time })
      expect(plain(answer)).toEqual(expected)
      expect(Option.map(yield* backlog.get("a"), plain)).toEqual(Option.some(expected))
      const [event, ...more] = yield* readLog
      expect(more).toEqual([])
      expect(event).toMatchObject({
        position: 1,
        cardId: "a",
        version: 1,
        type: "CardCreated",
        schemaVersion: 1,
        data: { title: "Card a", ...all, dependsOn: ["b", "z"] },
        actor: "ann",
        correlationId: "correlation",
        causationId: "cause",
        commandId: "command",
        occurredAt: new Date(time),
        recordedAt: new Date(start)
      })
    })
  )

  test(
    "creates a card with only the required fields",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const clock = yield* BacklogTestClock
      yield* clock.advance("1500 millis")
      const expected = created("a", { createdAt: after(1.5), updatedAt: after(1.5) })
      expect(plain(yield* backlog.create(input("a")))).toEqual(expected)
      expect(Option.map(yield* backlog.get("a"), plain)).toEqual(Option.some(expected))
      expect((yield* readLog)[0]).toMatchObject({
        data: {
          title: "Card a",
          body: null,
          phase: null,
          priority: 0,
          status: "ready",
          dependsOn: [],
          acceptance: null,
          idempotencyKey: null,
          blockedReason: null
        },
        correlationId: null,
        causationId: null,
        commandId: null,
        occurredAt: new Date(after(1.5)),
        recordedAt: new Date(after(1.5))
      })
    })
  )

  test(
    "creates a card that is done",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const answer = yield* backlog.create(
        input("a", { status: "done" as const, occurredAt: utc("2025-01-01T00:00:00Z") })
      )
      expect(answer.status).toBe("done")
      expect(plain(answer).completedAt).toBe("2025-01-01T00:00:00.000Z")
      expect(Option.isNone(yield* backlog.claim({ owner: "w", actor: "w" }))).toBe(true)
    })
  )

  test(
    "returns none for a card that does not exist",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      expect(yield* backlog.get("nowhere")).toEqual(Option.none())
    })
  )

  test(
    "accepts ids and texts of every script at their maximum length",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const long = ["😀".repeat(200), "é".repeat(200), "a".repeat(200), "'\"\\{},%_ NULL"]
      for (const [index, id] of long.entries()) {
        yield* backlog.create(
          input(id, {
            title: "𝔘\u2028".repeat(250),
            phase: id,
            idempotencyKey: id,
            body: "\\\"',{}\n\t\u0001NULL\r\n",
            dependsOn: long.slice(0, index)
          })
        )
        const found = Option.getOrThrow(yield* backlog.get(id))
        expect(found.id).toBe(id)
        expect(found.title).toBe("𝔘\u2028".repeat(250))
        expect(found.body).toBe("\\\"',{}\n\t\u0001NULL\r\n")
        expect([...found.dependsOn].sort()).toEqual(long.slice(0, index).sort())
        expect(ids(yield* backlog.list({ phase: id }))).toEqual([id])
      }
    })
  )

  test(
    "refuses an id that is used",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("a"))
      expect(yield* refusal(backlog.create(input("a", { title: "another" })))).toEqual({
        _tag: "CardAlreadyExists",
        id: "a"
      })
      expect((yield* backlog.list())[0]?.title).toBe("Card a")
    })
  )

  test(
    "refuses a new card that depends on itself",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      expect(yield* refusal(backlog.create(input("a", { dependsOn: ["b", "a"] })))).toEqual({
        _tag: "SelfDependency",
        id: "a"
      })
    })
  )

  test(
    "refuses a new card that would close a cycle through an existing dependency on it",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("a", { dependsOn: ["b"] }))
      yield* backlog.create(input("b", { dependsOn: ["c"] }))
      expect(yield* refusal(backlog.create(input("c", { dependsOn: ["x", "a"] })))).toEqual({
        _tag: "DependencyCycle",
        id: "c",
        dependsOn: "a",
        path: ["c", "a", "b", "c"]
      })
      expect(yield* backlog.get("c")).toEqual(Option.none())
    })
  )

  test(
    "returns the existing card when an idempotency key is used again",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const clock = yield* BacklogTestClock
      yield* backlog.create(input("a", { idempotencyKey: "k" }))
      yield* backlog.claim({ owner: "w", actor: "w" })
      yield* clock.advance("1 minute")
      const before = Option.map(yield* backlog.get("a"), plain)
      const again = yield* writesNothing(backlog.create(input("other", { title: "other", idempotencyKey: "k" })))
      expect(Option.some(plain(again))).toEqual(before)
      const sameId = yield* writesNothing(backlog.create(input("a", { title: "changed", idempotencyKey: "k" })))
      expect(Option.some(plain(sameId))).toEqual(before)
      expect(Option.isNone(yield* backlog.get("other"))).toBe(true)
    })
  )

  test(
    "createMany recognizes an idempotency key that occurs twice or was used before",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("old", { idempotencyKey: "k0" }))
      const answers = yield* backlog.createMany({
        actor: "ann",
        cards: [
          { id: "a", title: "A", idempotencyKey: "k1" },
          { id: "b", title: "B", idempotencyKey: "k1" },
          { id: "c", title: "C", idempotencyKey: "k0" },
          { id: "d", title: "D", idempotencyKey: "k2" }
        ]
      })
      expect(ids(answers)).toEqual(["a", "a", "old", "d"])
      expect(ids(yield* backlog.list())).toEqual(["a", "d", "old"])
    })
  )

  test(
    "concurrent creations with one idempotency key create one card",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const answers = yield* Effect.all(
        Array.from({ length: 20 }, (_, index) => backlog.create(input(`c${index}`, { idempotencyKey: "k" }))),
        { concurrency: "unbounded" }
      )
      expect(new Set(ids(answers)).size).toBe(1)
      expect(ids(yield* backlog.list())).toEqual(ids(answers.slice(0, 1)))
      expect(yield* headPosition).toBe(1)
    })
  )

  test(
    "concurrent creations with one id create one card",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const results = yield* Effect.all(
        Array.from({ length: 20 }, (_, index) =>
          Effect.result(backlog.create(input("same", { title: `by ${index}` })))
        ),
        { concurrency: "unbounded" }
      )
      expect(results.filter((result) => result._tag === "Success").length).toBe(1)
      for (const result of results) {
        if (result._tag === "Failure") expect(result.failure._tag).toBe("CardAlreadyExists")
      }
      expect(yield* headPosition).toBe(1)
    })
  )

  test(
    "createMany creates cards that depend on each other, in any order",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const answers = yield* backlog.createMany({
        actor: "ann",
        correlationId: "import 1",
        cards: [
          { id: "top", title: "Top", dependsOn: ["middle", "ready"], occurredAt: utc("2025-02-01T00:00:00Z") },
          { id: "middle", title: "Middle", dependsOn: ["bottom"], occurredAt: utc("2025-01-01T00:00:00Z") },
          { id: "bottom", title: "Bottom", status: "done" },
          { id: "ready", title: "Ready", priority: 3 }
        ]
      })
      expect(ids(answers)).toEqual(["top", "middle", "bottom", "ready"])
      expect(answers.map((card) => plain(card).createdAt.slice(0, 7))).toEqual([
        "2025-02",
        "2025-01",
        "2026-01",
        "2026-01"
      ])
      expect(ids(yield* backlog.list({ claimability: "claimable" }))).toEqual(["ready", "middle"])
      const log = yield* readLog
      expect(log.map((event) => [event.position, event.cardId, event.version, event.correlationId])).toEqual([
        [1, "top", 1, "import 1"],
        [2, "middle", 1, "import 1"],
        [3, "bottom", 1, "import 1"],
        [4, "ready", 1, "import 1"]
      ])
      expect(new Set(log.map((event) => event.recordedAt.toISOString()))).toEqual(new Set([start]))
    })
  )

  test(
    "createMany creates nothing when one card is refused",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("taken", { dependsOn: ["later"] }))
      const many = (bad: { readonly id: string; readonly dependsOn?: ReadonlyArray<string> }) =>
        backlog.createMany({
          actor: "ann",
          cards: [
            { id: "first", title: "First" },
            { title: "Bad", ...bad },
            { id: "last", title: "Last" }
          ]
        })
      expect(yield* refusal(many({ id: "taken" }))).toEqual({ _tag: "CardAlreadyExists", id: "taken" })
      expect(yield* refusal(many({ id: "first" }))).toEqual({ _tag: "CardAlreadyExists", id: "first" })
      expect(yield* refusal(many({ id: "self", dependsOn: ["self"] }))).toEqual({ _tag: "SelfDependency", id: "self" })
      expect(yield* refusal(many({ id: "later", dependsOn: ["taken"] }))).toEqual({
        _tag: "DependencyCycle",
        id: "later",
        dependsOn: "taken",
        path: ["later", "taken", "later"]
      })
      expect(ids(yield* backlog.list())).toEqual(["taken"])
      expect(ids(yield* many({ id: "good" }))).toEqual(["first", "good", "last"])
    })
  )

  test(
    "refuses a cycle among many new cards",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const error = yield* refusal(
        backlog.createMany({
          actor: "ann",
          cards: [
            { id: "a", title: "A", dependsOn: ["b"] },
            { id: "b", title: "B", dependsOn: ["c"] },
            { id: "c", title: "C", dependsOn: ["a"] }
          ]
        })
      )
      if (error._tag !== "DependencyCycle") throw new Error(error._tag)
      const { path } = error
      expect(path.length).toBe(4)
      expect(path[0]).toBe(path[3])
      expect([error.id, error.dependsOn]).toEqual(path.slice(0, 2))
      const next: Record<string, string> = { a: "b", b: "c", c: "a" }
      for (const [index, id] of path.slice(0, 3).entries()) expect(path[index + 1]).toBe(next[id])
    })
  )

  test(
    "createMany with no cards creates nothing",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      expect(yield* writesNothing(backlog.createMany({ actor: "ann", cards: [] }))).toEqual([])
    })
  )

  test(
    "createMany creates more cards than fit into one statement",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const count = 5_100
      const answers = yield* backlog.createMany({
        actor: "ann",
        cards: Array.from({ length: count }, (_, index) => ({
          id: `c${index}`,
          title: `Card ${index}`,
          priority: index % 10,
          dependsOn: index % 3 === 0 ? [`c${index + 1}`, `c${index + 2}`] : []
        }))
      })
      expect(answers.length).toBe(count)
      const stats = yield* backlog.stats
      expect(stats).toMatchObject({ total: count, waiting: count / 3, claimable: count - count / 3 })
      expect(yield* headPosition).toBe(count)
    })
  )

  test(
    "revise changes given fields, keeps absent fields and clears fields with null",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const clock = yield* BacklogTestClock
      yield* backlog.create(input("a", { body: "body", phase: "one", priority: 5, acceptance: { a: 1, b: [2] } }))
      yield* clock.advance("1 second")
      const revised = yield* backlog.revise({ id: "a", title: "New", priority: 0, actor: "bob" })
      expect(plain(revised)).toEqual(
        created("a", {
          title: "New",
          body: "body",
          phase: "one",
          priority: 0,
          acceptance: { a: 1, b: [2] },
          updatedAt: after(1),
          version: 2
        })
      )
      const cleared = yield* backlog.revise({ id: "a", body: null, phase: null, acceptance: null, actor: "bob" })
      expect(plain(cleared)).toEqual(created("a", { title: "New", updatedAt: after(1), version: 3 }))
      expect(Option.map(yield* backlog.get("a"), plain)).toEqual(Option.some(plain(cleared)))
      expect((yield* eventsOf("a")).slice(1)).toEqual([
        { type: "CardRevised", version: 2, title: "New", priority: 0 },
        { type: "CardRevised", version: 3, body: null, phase: null, acceptance: null }
      ])
    })
  )

  test(
    "writes nothing when a revision changes nothing",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const card = yield* backlog.create(input("a", { acceptance: { a: 1, b: [{ c: 2, d: 3 }] }, priority: 1 }))
      const again = yield* writesNothing(
        backlog.revise({
          id: "a",
          title: "Card a",
          body: null,
          priority: 1,
          acceptance: { b: [{ d: 3, c: 2 }], a: 1 },
          actor: "bob"
        })
      )
      expect(plain(again)).toEqual(plain(card))
      yield* writesNothing(backlog.revise({ id: "a", actor: "bob" }))
      expect((yield* backlog.revise({ id: "a", acceptance: { b: [{ d: 3 }], a: 1 }, actor: "bob" })).version).toBe(2)
    })
  )

  test(
    "a revision of a claimed card keeps its claim",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("a"))
      const claimed = plain(Option.getOrThrow(yield* backlog.claim({ owner: "w", actor: "w" })))
      const revised = yield* backlog.revise({ id: "a", title: "New", actor: "bob" })
      expect(plain(revised)).toEqual({ ...claimed, title: "New", version: 3 })
      expect((yield* backlog.complete({ id: "a", token: 2, actor: "w" })).status).toBe("done")
    })
  )

  test(
    "claims use the revised priority",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("a", { priority: 5 }))
      yield* backlog.create(input("b", { priority: 1 }))
      yield* backlog.revise({ id: "b", priority: 9, actor: "bob" })
      expect(ids(yield* backlog.list())).toEqual(["b", "a"])
      expect(Option.getOrThrow(yield* backlog.claim({ owner: "w", actor: "w" })).id).toBe("b")
    })
  )

  test(
    "refuses to revise a missing card",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      expect(yield* refusal(backlog.revise({ id: "x", title: "New", actor: "bob" }))).toEqual({
        _tag: "CardNotFound",
        id: "x"
      })
    })
  )
}
