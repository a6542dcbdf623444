import { Effect, Option, Stream } from "effect"
import { expect } from "vitest"
import { AuditService } from "../../../src/services/AuditService.ts"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { eventsOf, headPosition, plain, tables, writesNothing } from "../../support/backlogs.ts"
import { dump, tableNames } from "../../support/tampering.ts"
import { readLog } from "../../support/verifyBacklog.ts"
import { input, invalid, refusal, type Test } from "../conformance/harness.ts"

const secret = "hunter2-the-secret"

const why = { reason: "a key was in it", actor: "auditor" }

/** Every text of every table of the backlog, and the planner's statistics of them. */
const everything = Effect.gen(function* () {
  const { schema, sql } = yield* tables
  const names = yield* tableNames
  yield* Effect.forEach(names, (name) => sql`ANALYZE ${sql(`${schema}.${name}`)}`)
  const statistics = yield* sql<{ readonly text: string }>`
    SELECT stats::text AS text FROM pg_stats AS stats WHERE schemaname = ${schema}`
  return { rows: yield* dump(...names), statistics: statistics.map(({ text }) => text) }
})

const holds = (found: unknown, text: string): boolean => JSON.stringify(found).includes(text)

/** A redaction erases text permanently, and every reader sees that it was erased. */
export const redaction = (test: Test): void => {
  test(
    "redacted text and its salt are nowhere in the database",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      // Enough cards for the planner to store the most common values and a histogram.
      yield* backlog.createMany({
        actor: "ann",
        cards: Array.from({ length: 40 }, (_, index) => ({
          id: `c${index}`,
          title: `${secret} title ${index % 3}`,
          body: `${secret} body`,
          acceptance: { key: secret },
          status: "blocked" as const,
          blockedReason: `${secret} reason`
        }))
      })
      yield* backlog.unblock({ id: "c0", reason: secret, actor: "ann" })
      yield* backlog.claim({ owner: "w", id: "c0", actor: "w" })
      yield* backlog.release({ id: "c0", token: 3, reason: secret, actor: "w" })
      yield* backlog.complete({ id: "c0", result: [secret], actor: "ann" })
      yield* backlog.reopen({ id: "c0", reason: secret, actor: "ann" })
      yield* backlog.complete({ id: "c0", result: { last: secret }, actor: "ann" })
      const before = yield* everything
      expect(Object.keys(before.rows)).toEqual(expect.arrayContaining(["cards", "events", "parked_events"]))
      expect(before.statistics.length).toBeGreaterThan(10)
      expect(holds(before.rows, secret)).toBe(true)
      expect(holds(before.statistics, secret)).toBe(false)
      const salts = (yield* readLog).flatMap(({ commitments }) =>
        Object.values(commitments).flatMap(({ salt = [] }) => salt)
      )
      expect(salts.length).toBeGreaterThan(40 * 4)
      const anchor = yield* audit.anchor()
      const erased = yield* Effect.forEach(
        Array.from({ length: 40 }, (_, index) => `c${index}`),
        (id) =>
          audit.redact({ id, parts: ["title", "body", "acceptance", "result", "reason", "blockedReason"], ...why })
      )
      expect(erased[0]?.erased).toEqual([
        { version: 1, parts: expect.arrayContaining(["title", "body", "acceptance", "blockedReason"]) },
        { version: 2, parts: ["reason"] },
        { version: 4, parts: ["reason"] },
        { version: 5, parts: ["result"] },
        { version: 6, parts: ["reason"] },
        { version: 7, parts: ["result"] }
      ])
      const after = yield* everything
      expect(holds(after, secret)).toBe(false)
      expect(salts.filter((salt) => holds(after, salt))).toEqual([])
      expect((yield* audit.verify({ anchor })).divergences).toEqual([])
      expect(plain(Option.getOrThrow(yield* backlog.get("c0")))).toMatchObject({
        title: "[redacted]",
        body: "[redacted]",
        acceptance: "[redacted]",
        result: "[redacted]",
        version: 8
      })
      expect(plain(Option.getOrThrow(yield* backlog.get("c1")))).toMatchObject({ blockedReason: "[redacted]" })
      expect((yield* backlog.explain("c1")).obstacles).toEqual([{ _tag: "Blocked", reason: "[redacted]" }])
      const exported = yield* Stream.runCollect(audit.exportLog)
      expect(holds(exported, secret)).toBe(false)
      const past = yield* audit.backlogAt({ position: 40 })
      expect((yield* past.list()).every(({ title }) => title === "[redacted]")).toBe(true)
    })
  )

  test(
    "the events remain, and show who redacted what and why",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      yield* backlog.create(input("a", { body: secret }))
      const [kept] = yield* readLog
      yield* audit.redact({ id: "a", parts: ["body"], ...why, commandId: "command", correlationId: "incident" })
      const [created, redacted] = yield* Stream.runCollect(audit.history("a"))
      expect(created).toMatchObject({
        type: "CardCreated",
        redacted: ["body"],
        contentHash: kept?.contentHash,
        chainHash: kept?.chainHash
      })
      expect(created?.data).toMatchObject({ title: "Card a" })
      expect(created?.data).not.toHaveProperty("body")
      expect(redacted).toMatchObject({
        type: "CardRedacted",
        version: 2,
        actor: "auditor",
        commandId: "command",
        correlationId: "incident",
        causationId: null,
        redacted: [],
        data: { erased: [{ version: 1, parts: ["body"] }], reason: "a key was in it" }
      })
    })
  )

  test(
    "a repeated redaction erases and writes nothing",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      yield* backlog.create(input("a", { body: secret }))
      const first = yield* audit.redact({ id: "a", parts: ["body"], ...why })
      const again = yield* writesNothing(audit.redact({ id: "a", parts: ["body", "result"], ...why }))
      expect(again).toEqual({ card: first.card, erased: [], state: "erased from reads" })
    })
  )

  test(
    "one version can be redacted without the others",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      yield* backlog.create(input("a", { body: "one" }))
      yield* backlog.revise({ id: "a", title: "Second", body: secret, actor: "ann" })
      yield* backlog.revise({ id: "a", body: "three", actor: "ann" })
      const { card, erased } = yield* audit.redact({ id: "a", parts: ["title", "body"], version: 2, ...why })
      expect(erased.map(({ parts, version }) => [version, new Set(parts)])).toEqual([[2, new Set(["title", "body"])]])
      expect(card).toMatchObject({ title: "[redacted]", body: "three", version: 4 })
      expect(yield* backlog.get("a")).toEqual(Option.some(card))
      const bodies = yield* Effect.forEach([1, 2, 3, 4], (version) => audit.cardAt("a", { version }))
      expect(bodies.map((found) => Option.getOrThrow(found).body)).toEqual(["one", "[redacted]", "three", "three"])
      // A version without this part, and a version that does not exist.
      expect((yield* writesNothing(audit.redact({ id: "a", parts: ["body"], version: 4, ...why }))).erased).toEqual([])
      expect((yield* writesNothing(audit.redact({ id: "a", parts: ["body"], version: 99, ...why }))).erased).toEqual([])
    })
  )

  test(
    "a title that was revised later remains, and a redacted title can be revised",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      yield* backlog.create({ id: "a", title: secret, actor: "ann" })
      yield* backlog.revise({ id: "a", title: "Harmless", actor: "ann" })
      const { card } = yield* audit.redact({ id: "a", parts: ["title"], version: 1, ...why })
      expect(card.title).toBe("Harmless")
      yield* audit.redact({ id: "a", parts: ["title"], ...why })
      expect(Option.getOrThrow(yield* backlog.get("a")).title).toBe("[redacted]")
      expect((yield* backlog.revise({ id: "a", title: "Anew", actor: "ann" })).title).toBe("Anew")
      // A title with the text "[redacted]" is not a redacted title.
      expect((yield* backlog.revise({ id: "a", title: "[redacted]", actor: "ann" })).title).toBe("[redacted]")
      expect((yield* eventsOf("a")).map(({ type }) => type)).toEqual([
        "CardCreated",
        "CardRevised",
        "CardRedacted",
        "CardRedacted",
        "CardRevised",
        "CardRevised"
      ])
    })
  )

  test(
    "the reason of a redaction can be read until its own event is redacted",
    Effect.gen(function* () {
      const audit = yield* AuditService
      const backlog = yield* BacklogService
      yield* backlog.create({ id: "a", title: "A", body: "B", actor: "ann" })
      yield* backlog.block({ id: "a", reason: "because of B", actor: "ann" })
      const redact = { id: "a", actor: "auditor" } as const
      yield* audit.redact({ ...redact, parts: ["body"], reason: "B's key" })
      const { erased } = yield* audit.redact({ ...redact, parts: ["reason"], reason: "B again" })
      expect(erased).toEqual([{ version: 2, parts: ["reason"] }])
      const again = yield* audit.redact({ ...redact, parts: ["reason"], reason: "more" })
      expect(again.erased).toEqual([])
      const named = yield* audit.redact({ ...redact, version: 3, parts: ["reason"], reason: "it named B" })
      expect(named.erased).toEqual([{ version: 3, parts: ["reason"] }])
    })
  )

  test(
    "a redaction does not change claims, edges and counters",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      yield* backlog.create(input("a", { body: secret, idempotencyKey: "k" }))
      yield* backlog.create(input("b", { dependsOn: ["a"], body: secret }))
      const claimed = Option.getOrThrow(yield* backlog.claim({ owner: "w", actor: "w" }))
      yield* audit.redact({ id: "a", parts: ["body"], ...why })
      yield* audit.redact({ id: "b", parts: ["body"], ...why })
      const card = Option.getOrThrow(yield* backlog.get("a"))
      expect(card).toMatchObject({
        status: "claimed",
        claimToken: claimed.claimToken,
        idempotencyKey: "k",
        attempts: 1
      })
      const { madeClaimable } = yield* backlog.complete({ id: "a", token: 2, actor: "w" })
      expect(madeClaimable).toEqual(["b"])
      expect((yield* backlog.explain("b")).claimable).toBe(true)
    })
  )

  test(
    "an invalid redaction is refused, and nothing is written",
    Effect.gen(function* () {
      const audit = yield* AuditService
      const backlog = yield* BacklogService
      yield* backlog.create(input("a", { body: secret }))
      expect(yield* refusal(audit.redact({ id: "nowhere", parts: ["body"], ...why }))).toEqual({
        _tag: "CardNotFound",
        id: "nowhere"
      })
      const asked = { id: "a", parts: ["body"] as const, ...why }
      for (const wrong of [
        { ...asked, parts: [] },
        { ...asked, parts: ["phase"] as never },
        { ...asked, reason: "" },
        { ...asked, actor: "" },
        { ...asked, version: 0 },
        { ...asked, id: "" }
      ]) {
        expect((yield* invalid(audit.redact(wrong))).length).toBeGreaterThan(5)
      }
      expect(Option.getOrThrow(yield* backlog.get("a")).body).toBe(secret)
    })
  )

  test(
    "a redaction is rolled back or committed with its transaction",
    Effect.gen(function* () {
      const audit = yield* AuditService
      const backlog = yield* BacklogService
      const { sql } = yield* tables
      yield* backlog.create(input("a", { body: secret }))
      const before = yield* dump("events", "head", "cards", "dependencies")
      const redact = audit.redact({ id: "a", parts: ["body"], ...why })
      yield* Effect.flip(sql.withTransaction(Effect.andThen(redact, Effect.fail("changed my mind"))))
      expect(yield* dump("events", "head", "cards", "dependencies")).toEqual(before)
      yield* sql.withTransaction(
        Effect.andThen(redact, backlog.revise({ id: "a", title: "In the same transaction", actor: "ann" }))
      )
      expect(yield* headPosition).toBe(3)
      expect(Option.getOrThrow(yield* backlog.get("a"))).toMatchObject({
        title: "In the same transaction",
        body: "[redacted]",
        version: 3
      })
      expect(holds(yield* everything, secret)).toBe(false)
    })
  )

  test(
    "the database refuses to erase half of a part or any other data",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const { events, sql } = yield* tables
      yield* backlog.create(input("a", { body: secret, phase: "one" }))
      yield* backlog.create(input("b", { body: secret }))
      const before = yield* readLog
      const refused = [
        `data = data - 'body'`,
        `commitments = commitments #- '{body,salt}'`,
        `data = data - 'body', commitments = commitments - 'body'`,
        `data = data - 'body', commitments = commitments #- '{body,salt}' #- '{title,salt}'`,
        `data = data - 'body' - 'title', commitments = commitments #- '{body,salt}'`,
        `data = data - 'body' - 'phase', commitments = commitments #- '{body,salt}'`,
        `data = data - 'phase'`,
        `data = data - 'body' || '{"priority": 7}', commitments = commitments #- '{body,salt}'`,
        `data = data - 'body' || '{"more": 7}', commitments = commitments #- '{body,salt}'`,
        `data = data - 'body', commitments = jsonb_set(commitments #- '{body,salt}', '{body,sha256}', '"0"')`,
        `data = data - 'body', commitments = jsonb_set(commitments #- '{body,salt}', '{title,salt}', '"0"')`,
        `data = data - 'body', commitments = '{}'`,
        `data = '{}'`,
        `data = data || '{"body": "other"}'`,
        `data = data`,
        `commitments = commitments`,
        `data = data - 'body', commitments = commitments #- '{body,salt}', actor = 'other'`,
        `data = data - 'body', commitments = commitments #- '{body,salt}', recorded_at = recorded_at`,
        "position = 7",
        "card_id = 'c'",
        "version = 7",
        "type = 'other'",
        "schema_version = 7",
        "actor = 'other'",
        "correlation_id = 'other'",
        "causation_id = 'other'",
        "command_id = 'other'",
        "occurred_at = now()",
        "recorded_at = now()",
        "content_hash = chain_hash",
        "chain_hash = content_hash"
      ]
      for (const columns of refused) {
        const change = sql`UPDATE ${events} SET ${sql.literal(columns)} WHERE position = 1`
        const error = yield* Effect.flip(change)
        expect([columns, (error.reason.cause as Error).message]).toEqual([
          columns,
          expect.stringContaining("append-only")
        ])
      }
      expect(yield* readLog).toEqual(before)
      // The statement that erases a part. No redaction names this event, so the part is restored.
      const erase = sql`UPDATE ${events} SET data = data - 'body', commitments = commitments #- '{body,salt}'
        WHERE position = 1`
      yield* Effect.flip(sql.withTransaction(Effect.andThen(erase, Effect.fail("enough"))))
      expect(yield* readLog).toEqual(before)
    })
  )
}
