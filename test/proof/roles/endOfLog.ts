import { Effect } from "effect"
import { expect } from "vitest"
import { outcome, shared, type Test } from "./support.ts"
import { audited, work } from "./work.ts"

/** What no grant can keep a writer from. */
export const endOfLog = (test: Test): void => {
  test(
    "finds what a writer can do to the end of the log, and lets the owner put it right",
    Effect.gen(function* () {
      const { auditor, owner, schema, writer } = yield* shared
      yield* work(writer, "w")
      const { position } = yield* auditor.audit.anchor()
      const create = writer.backlog.create({ id: "next", title: "N", actor: "w" })
      const move = (by: number) =>
        writer.sql`UPDATE ${writer.sql(`${schema}.head`)} SET position = position + ${BigInt(by)}::int8`
      const fields = Effect.map(auditor.audit.verify(), ({ divergences }) =>
        divergences.map(({ check, field }) => `${check}: ${field}`)
      )

      // Back: no event is written over another.
      yield* move(-2)
      expect(yield* fields).toContain("head: position")
      expect(yield* outcome(create)).toMatch(/^UniqueViolation/)
      const [log] = yield* auditor.sql`SELECT max(position)::float8 AS position FROM ${auditor.sql(`${schema}.events`)}`
      expect(log).toEqual({ position })
      yield* owner.sql`
        UPDATE ${owner.sql(`${schema}.head`)} SET position = (SELECT max(position) FROM ${owner.sql(`${schema}.events`)})`
      yield* audited(auditor)

      // The read model is made anew from the log, whatever was done to it.
      yield* writer.sql`UPDATE ${writer.sql(`${schema}.cards`)} SET title = 'Other', priority = 5`
      yield* writer.sql`DELETE FROM ${writer.sql(`${schema}.dependencies`)}`
      expect((yield* auditor.audit.verify()).divergences).not.toEqual([])
      expect((yield* owner.audit.rebuild()).verification.divergences).toEqual([])
      yield* create
      yield* audited(auditor)

      // Forward: the hole is seen.
      yield* move(5)
      yield* writer.backlog.create({ id: "after the hole", title: "N", actor: "w" })
      expect((yield* fields).some((field) => field.startsWith("position"))).toBe(true)
    })
  )
}
