import { Effect } from "effect"
import { expect } from "vitest"
import { outcome, shared, type Test } from "./support.ts"
import { audited, work } from "./work.ts"

/** What no grant can prevent a writer from doing. */
export const endOfLog = (test: Test): void => {
  test(
    "verification finds what a writer can do to the end of the log, and the owner can repair it",
    Effect.gen(function* () {
      const { auditor, owner, schema, writer } = yield* shared
      yield* work(writer, "w")
      const { position } = yield* auditor.audit.anchor()
      const log = writer.sql(`${schema}.events`)
      const create = writer.backlog.create({ id: "next", title: "N", actor: "w" })
      const move = (by: number) =>
        writer.sql`UPDATE ${writer.sql(`${schema}.head`)}
          SET position = position + ${BigInt(by)}::int8, guarded_position = position + ${BigInt(by)}::int8`
      const fields = Effect.map(auditor.audit.verify(), ({ divergences }) =>
        divergences.map(({ check, field }) => `${check}: ${field}`)
      )

      // A head that was moved back: no event is overwritten.
      yield* move(-2)
      expect(yield* fields).toContain("head: position")
      expect(yield* outcome(create)).toMatch(/^UniqueViolation/)
      const [last] = yield* auditor.sql`SELECT max(position)::float8 AS position FROM ${log}`
      expect(last).toEqual({ position })
      yield* owner.sql`UPDATE ${owner.sql(`${schema}.head`)}
        SET (position, guarded_position) = (SELECT max(position), max(position) FROM ${log})`
      yield* audited(auditor)

      // An event that the head does not include: commands fail until the owner, who alone can, removes it.
      yield* writer.sql`
        INSERT INTO ${log} SELECT
          (jsonb_populate_record(event, jsonb_build_object('position', event.position + 1, 'version', 99))).*
        FROM ${log} AS event ORDER BY event.position DESC LIMIT 1`
      expect(yield* fields).toContain("head: position")
      expect(yield* outcome(create)).toMatch(/^UniqueViolation/)
      expect(yield* outcome(writer.sql`DELETE FROM ${log} WHERE version = 99`)).toBe("not permitted")
      yield* owner.sql`ALTER TABLE ${log} DISABLE TRIGGER events_append_only`
      yield* owner.sql`DELETE FROM ${log} WHERE version = 99`
      yield* owner.sql`ALTER TABLE ${log} ENABLE TRIGGER events_append_only`
      yield* audited(auditor)

      // The read model is rebuilt from the log, whatever was done to it.
      yield* writer.sql`UPDATE ${writer.sql(`${schema}.cards`)} SET title = 'Other', priority = 5`
      yield* writer.sql`DELETE FROM ${writer.sql(`${schema}.dependencies`)}`
      expect((yield* auditor.audit.verify()).divergences).not.toEqual([])
      expect((yield* owner.audit.rebuild()).verification.divergences).toEqual([])
      yield* create
      yield* audited(auditor)

      // A head that was moved forward: the gap is found.
      yield* move(5)
      yield* writer.backlog.create({ id: "after the hole", title: "N", actor: "w" })
      expect((yield* fields).some((field) => field.startsWith("position"))).toBe(true)
    })
  )
}
