import { Effect, Fiber, Stream } from "effect"
import { SqlError } from "effect/sql"
import { expect } from "vitest"
import { until } from "../../support/waiting.ts"
import { alter, connect, grantsIn, outcome, shared, type Test } from "./support.ts"
import { audited, work } from "./work.ts"

/** What each role can and cannot do with the program. */
export const parts = (test: Test): void => {
  test(
    "each role can do its work before and after a rebuild",
    Effect.gen(function* () {
      const { auditor, logins, owner, roles, schema, writer } = yield* shared
      // A start writes nothing, whatever it checks.
      yield* alter((role) => `ALTER ROLE ${role} SET default_transaction_read_only = on`, logins.auditor)
      const follower = yield* connect(logins.auditor, { schema })
      const received: Array<number> = []
      const following = yield* Effect.forkChild(
        Stream.runForEach(follower.audit.events({ follow: true }), ({ position }) =>
          Effect.sync(() => void received.push(position))
        )
      )

      yield* work(writer, "before")
      yield* audited(auditor)
      const grants = yield* grantsIn(schema)
      expect((yield* owner.audit.rebuild()).verification.divergences).toEqual([])
      expect(yield* grantsIn(schema)).toEqual(grants)
      yield* work(writer, "after")
      yield* audited(auditor)
      yield* audited(follower)

      const { erased } = yield* owner.audit.redact({ id: "after a", parts: ["body"], reason: "secret", actor: "ann" })
      expect(erased.length).toBe(1)
      expect(yield* owner.audit.pruneReceipts({ olderThanDays: 0 })).toBeGreaterThan(0)
      yield* work(owner, "owner")
      yield* audited(auditor)
      const { position } = yield* auditor.audit.anchor()
      yield* until(Effect.sync(() => received.length === position))
      yield* Fiber.interrupt(following)

      // A program that starts again has nothing left to grant.
      const rows = yield* grantsIn(schema)
      yield* connect(logins.owner, { schema, roles })
      expect(yield* grantsIn(schema)).toEqual(rows)
      // A program without role settings starts too.
      yield* connect(logins.owner, { schema })
      expect(yield* grantsIn(schema)).toEqual(rows)
    })
  )

  test(
    "the auditor and the writer list what they verify and anchor, and verify where they may not",
    Effect.gen(function* () {
      const { auditor, logins, owner, roles, schema, writer } = yield* shared
      yield* work(writer, "w")
      yield* auditor.audit.verify({ actor: "the auditor" })
      yield* auditor.audit.anchor({ actor: "the auditor" })
      yield* writer.audit.anchor({ actor: "the writer" })
      const listed = Effect.gen(function* () {
        const [verifications, anchors] = [yield* writer.audit.verifications(), yield* auditor.audit.anchors()]
        return [verifications.map(({ actor }) => actor), anchors.map(({ actor }) => actor)]
      })
      const before = [["the auditor"], ["the writer", "the auditor"]]
      expect(yield* listed).toEqual(before)

      yield* alter((role) => `ALTER ROLE ${role} SET default_transaction_read_only = on`, logins.auditor)
      const reader = yield* connect(logins.auditor, { schema })
      expect((yield* reader.audit.verify()).divergences).toEqual([])
      expect((yield* reader.audit.anchor()).position).toBeGreaterThan(0)
      expect(yield* listed).toEqual(before)

      yield* alter((role) => `ALTER ROLE ${role} RESET default_transaction_read_only`, logins.auditor)
      const functions = ["record_verification_v1", "record_anchor_v1"].map((name) => `"${schema}".${name}`).join()
      yield* alter((role) => `REVOKE EXECUTE ON FUNCTION ${functions} FROM ${role}`, logins.auditor)
      const stranger = yield* connect(logins.auditor, { schema })
      expect((yield* stranger.audit.verify()).divergences).toEqual([])
      yield* stranger.audit.anchor()
      expect(yield* listed).toEqual(before)
      // Granted again with the next migration.
      yield* connect(logins.owner, { schema, roles })
      yield* stranger.audit.verify({ actor: "again" })
      expect((yield* owner.audit.verifications({ limit: 1 }))[0]?.actor).toBe("again")
    })
  )

  test(
    "the writer cannot do the owner's work, and the auditor cannot execute commands",
    Effect.gen(function* () {
      const { auditor, owner, writer } = yield* shared
      yield* work(writer, "w")
      const before = yield* owner.audit.anchor()
      const actor = "mallory"
      const denied = [
        ["rebuild", writer.audit.rebuild()],
        ["redact", writer.audit.redact({ id: "w a", parts: ["title"], reason: "r", actor })],
        ["prune", writer.audit.pruneReceipts({ olderThanDays: 0 })],
        ["rebuild, as auditor", auditor.audit.rebuild()],
        ["redact, as auditor", auditor.audit.redact({ id: "w a", parts: ["title"], reason: "r", actor })],
        ["prune, as auditor", auditor.audit.pruneReceipts({ olderThanDays: 0 })],
        ["create", auditor.backlog.create({ id: "x", title: "X", actor })],
        ["create once", auditor.backlog.create({ id: "x", title: "X", commandId: "x", actor })],
        ["claim", auditor.backlog.claim({ owner: "x", actor })],
        ["claim by id", auditor.backlog.claim({ owner: "x", id: "w b", actor })],
        ["revise", auditor.backlog.revise({ id: "w a", title: "X", actor })],
        ["complete", auditor.backlog.complete({ id: "w a", actor })],
        ["block", auditor.backlog.block({ id: "w a", actor })],
        ["reclaim", auditor.backlog.reclaim({ id: "w a", actor })],
        ["link", auditor.backlog.link({ from: "w a", to: "w d", actor })],
        ["consume", auditor.audit.consume({ consumer: "x", handler: () => Effect.void })],
        ["advance", auditor.audit.advance("w", 0, 1)],
        ["park", auditor.audit.park("w", 1, "r")],
        ["unpark", auditor.audit.unpark("w", 1)]
      ] as const
      for (const [what, effect] of denied) {
        expect([what, yield* outcome(effect as Effect.Effect<unknown, unknown>)]).toEqual([what, "not permitted"])
      }
      // The library's error is the database's own, and names what was not permitted.
      const error = yield* Effect.flip(auditor.backlog.create({ id: "x", title: "X", actor }))
      expect(SqlError.isSqlError(error) && error.reason._tag).toBe("AuthorizationError")
      const { chainHash, position } = yield* owner.audit.anchor()
      expect({ chainHash, position }).toEqual({ chainHash: before.chainHash, position: before.position })
      yield* audited(auditor)
    })
  )

  test(
    "only the owner can import a log",
    Effect.gen(function* () {
      const from = yield* shared
      yield* work(from.writer, "w")
      const exported = yield* Stream.runCollect(from.auditor.audit.exportLog)
      const lines = Stream.fromIterable(exported.map((text, index) => ({ number: index + 1, text })))
      const { auditor, owner, writer } = yield* shared
      for (const { audit } of [writer, auditor]) {
        expect(yield* outcome(audit.importLog(lines))).toBe("not permitted")
      }
      expect(yield* outcome(owner.audit.importLog(lines))).toBe("done")
      expect(yield* Stream.runCollect(auditor.audit.exportLog)).toEqual(exported)
      yield* audited(auditor)
      yield* work(writer, "after the import")
      yield* audited(auditor)
    })
  )
}
