import { Arbitrary, Effect, Schema } from "effect"
import { expect, it } from "vitest"
import { Body, Name } from "../../src/domain/Text.ts"
import { jsonField, joinLines, textField } from "../../src/sql/recordLines.ts"
import { jsonArbitrary } from "../domain/arbitraries.ts"
import { tables } from "../support/backlogs.ts"
import { onBothDatabases } from "../support/databases.ts"

/** Texts that mean something in the format of composite values, in arrays, in JSON or in SQL. */
const unusualTexts = [
  "",
  " ",
  "  a  ",
  "NULL",
  "null",
  `"`,
  `""`,
  `\\`,
  `\\\\`,
  `\\"`,
  `"\\`,
  `\\n`,
  ",",
  ",,",
  "(",
  ")",
  "(a,b)",
  "{",
  "}",
  "{a,b}",
  "'",
  "''",
  "$1",
  "%s",
  "a\tb",
  "a\rb",
  "\u007f",
  "\u0085",
  "\u00a0",
  "\u2028\u2029",
  "\ufeff",
  "é한😀",
  "e\u0301",
  "\ue000",
  "\u{10ffff}",
  "'\"\\,(){}".repeat(2_000),
  "😀".repeat(100_000)
]

onBothDatabases("records as lines of text", (test) => {
  test(
    "are read as the texts and the JSON that were formatted",
    Effect.gen(function* () {
      const { schema, sql } = yield* tables
      const sample = <A>(arbitrary: Arbitrary.Arbitrary<A>) =>
        Arbitrary.sampleEffect(arbitrary, { count: 100, size: 100, seed: 1 })
      const names = yield* sample(Arbitrary.schema(Name.check(Schema.isMinLength(1))))
      const bodies = yield* sample(Arbitrary.schema(Body))
      const values = yield* sample(jsonArbitrary)
      // Line feeds separate records: texts that can contain them are sent as JSON.
      const texts = [null, ...unusualTexts, ...names]
      const json = [null, "a\nb", 0, -0, 1e21, 1e-7, 1.5, true, [], {}, ...unusualTexts, ...bodies, ...values]
      const count = Math.max(texts.length, json.length)
      const records = Array.from({ length: count }, (_, index) => ({
        commandId: texts[index % texts.length] ?? null,
        actor: texts[(index * 7 + 1) % texts.length] ?? null,
        outcome: json[index % json.length] ?? null
      }))
      const lines = joinLines(
        records.map(
          ({ actor, commandId, outcome }) => `(${textField(commandId)},${textField(actor)},,,,,${jsonField(outcome)})`
        )
      )
      const rows = yield* sql<{ readonly commandId: string | null; readonly actor: string; readonly outcome: string }>`
        SELECT command_id AS "commandId", actor, outcome::text AS outcome
        FROM unnest(string_to_array(${lines}, chr(10))::${sql(`${schema}.receipt_v1`)}[]) WITH ORDINALITY ORDER BY ordinality`
      expect(rows.length).toBe(count)
      const read = rows.map(({ actor, commandId, outcome }) => ({
        commandId,
        actor,
        outcome: outcome === null ? null : (JSON.parse(outcome) as unknown)
      }))
      // As JSON: it has no negative zero.
      expect(read).toEqual(records.map((record) => JSON.parse(JSON.stringify(record)) as unknown))
    })
  )
})

it("no lines are null", () => {
  expect(joinLines([])).toBe(null)
})
