import { Effect } from "effect"
import { expect } from "vitest"
import { tables } from "../../support/backlogs.ts"
import { disarm } from "../../support/tampering.ts"
import type { Test } from "../conformance/harness.ts"
import { plot } from "./plot.ts"
import { type Reported, reported } from "./tamperedLog.ts"

/** Another value for a column, as SQL, by the column's type. */
const otherValues: Readonly<Record<string, (column: string) => string>> = {
  text: (column) => `coalesce(${column}, '') || cards.id`,
  integer: (column) => `coalesce(${column}, 0) + 1`,
  bigint: (column) => `coalesce(${column}, 0) + 1`,
  boolean: (column) => `NOT ${column}`,
  ARRAY: (column) => `array_append(${column}, 'other')`,
  jsonb: (column) => `jsonb_build_array(${column})`,
  "timestamp with time zone": (column) => `coalesce(${column}, '2026-01-01Z') + interval '1 microsecond'`
}

const camelCase = (column: string): string => column.replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase())

/** A change of the read model, how it is undone, and what is reported; `@` precedes the names of tables. */
type Damage = readonly [title: string, change: string, undo: string, reported: ReadonlyArray<Reported>]

const damages: ReadonlyArray<Damage> = [
  [
    "a row, deleted",
    `DELETE FROM @cards WHERE id = 'f'`,
    `INSERT INTO @cards SELECT * FROM @kept WHERE id = 'f'`,
    [["card", "f", 22, null]]
  ],
  [
    "the last row, deleted",
    `DELETE FROM @cards WHERE id = 'g'`,
    `INSERT INTO @cards SELECT * FROM @kept WHERE id = 'g'`,
    [["card", "g", 19, null]]
  ],
  [
    "a row that no event leads to",
    `INSERT INTO @cards SELECT (jsonb_populate_record(kept, '{"id": "bb", "idempotency_key": null}')).* FROM @kept
      WHERE id = 'a'`,
    `DELETE FROM @cards WHERE id = 'bb'`,
    [["card", "bb", 7, null]]
  ],
  [
    "a row after all others that no event leads to",
    `INSERT INTO @cards SELECT (jsonb_populate_record(kept, '{"id": "z", "idempotency_key": null}')).* FROM @kept
      WHERE id = 'a'`,
    `DELETE FROM @cards WHERE id = 'z'`,
    [["card", "z", 7, null]]
  ],
  [
    "another id",
    `UPDATE @cards SET id = 'z' WHERE id = 'g'`,
    `UPDATE @cards SET id = 'g' WHERE id = 'z'`,
    [
      ["card", "g", 19, null],
      ["card", "z", 19, null]
    ]
  ],
  [
    "a number by less than a double can represent",
    `UPDATE @cards SET acceptance = jsonb_set(acceptance, '{rows}', '1.00000000000000000001') WHERE id = 'a'`,
    `UPDATE @cards SET acceptance = jsonb_set(acceptance, '{rows}', '1') WHERE id = 'a'`,
    [["card", "a", 7, "acceptance"]]
  ],
  [
    "a counter, down",
    `UPDATE @cards SET unmet_dependencies = 1 WHERE id = 'c'`,
    `UPDATE @cards SET unmet_dependencies = 2
    WHERE id = 'c'`,
    [["unmetDependencies", "c", null, "unmetDependencies"]]
  ],
  [
    "a retry time that has not come, passed over",
    `UPDATE @cards SET deferred = false WHERE id = 'b'`,
    `UPDATE @cards
    SET deferred = true WHERE id = 'b'`,
    [["card", "b", 9, "deferred"]]
  ],
  [
    "an edge, added",
    `INSERT INTO @dependencies VALUES ('f', 'a')`,
    `DELETE FROM @dependencies WHERE card_id = 'f'`,
    [["dependencies", "f", 22, "dependsOn"]]
  ],
  [
    "an edge, removed",
    `DELETE FROM @dependencies WHERE card_id = 'b'`,
    `INSERT INTO @dependencies VALUES ('b', 'a')`,
    [["dependencies", "b", 9, "dependsOn"]]
  ],
  [
    "an edge that leads elsewhere",
    `UPDATE @dependencies SET depends_on_id = 'f' WHERE card_id = 'b'`,
    `UPDATE @dependencies SET depends_on_id = 'a' WHERE card_id = 'b'`,
    [["dependencies", "b", 9, "dependsOn"]]
  ],
  [
    "edges of a card that does not exist",
    `INSERT INTO @dependencies VALUES ('z', 'a'), ('z', 'b')`,
    `DELETE FROM @dependencies WHERE card_id = 'z'`,
    [["dependencies", "z", null, "dependsOn"]]
  ],
  [
    "the words of a card, changed",
    `UPDATE @card_search SET document = 'other' WHERE id = 'a'`,
    `UPDATE @card_search AS search SET document = @search_document_v1(cards.id, cards.title, cards.body)
      FROM @cards AS cards WHERE cards.id = search.id AND search.id = 'a'`,
    [["search", "a", null, "words"]]
  ],
  [
    "a claimable card of a label that it does not have",
    `INSERT INTO @claimable_labels VALUES ('label', 0, now(), 'a')`,
    `DELETE FROM @claimable_labels WHERE label = 'label'`,
    [["search", "a", null, "claimableLabels"]]
  ]
]

/** A verification finds every change of the read model, also by a user with all privileges. */
export const tamperedReadModel = (test: Test): void => {
  test(
    "verify finds a change in any column of any card",
    Effect.gen(function* () {
      const { cards, schema, sql } = yield* tables
      yield* plot
      yield* disarm
      const columns = yield* sql<{ readonly name: string; readonly type: string }>`
        SELECT column_name AS name, data_type AS type FROM information_schema.columns
        WHERE table_schema = ${schema} AND table_name = 'cards' ORDER BY ordinal_position`
      expect(columns.length).toBeGreaterThanOrEqual(24)
      const rows = yield* sql<{ readonly id: string; readonly position: number }>`
        SELECT id, position::float8 AS position FROM ${cards} AS cards ORDER BY id`
      expect(yield* reported()).toEqual([])
      for (const { name, type } of columns) {
        if (name === "id") continue
        const other = otherValues[type]
        if (other === undefined) throw new Error(`nothing is known to change a column of type ${type} to`)
        const column = sql(name)
        // Every other row, so that the comparison goes beyond the first row.
        const changed = sql`id IN ('a', 'c', 'd', 'g')`
        yield* sql`CREATE TABLE ${sql(`${schema}.kept`)} AS SELECT id, ${column} AS value FROM ${cards} AS cards`
        yield* sql`UPDATE ${cards} AS cards SET ${column} = ${sql.literal(other(`cards."${name}"`))} WHERE ${changed}`
        const field = camelCase(name === "claim_token_high" ? "claim_token" : name)
        const check = name === "unmet_dependencies" ? "unmetDependencies" : "card"
        const ids = new Set(["a", "c", "d", "g"])
        expect([name, new Set(yield* reported())]).toEqual([
          name,
          new Set(
            rows
              .filter(({ id }) => ids.has(id))
              .map(({ id, position }) => [check, id, check === "card" ? position : null, field])
          )
        ])
        yield* sql`UPDATE ${cards} AS cards SET ${column} = kept.value FROM ${sql(`${schema}.kept`)} AS kept
          WHERE kept.id = cards.id`
        yield* sql`DROP TABLE ${sql(`${schema}.kept`)}`
        expect([name, yield* reported()]).toEqual([name, []])
      }
    })
  )

  test(
    "verify finds rows, counters and edges that differ from the log",
    Effect.gen(function* () {
      const { cards, schema, sql } = yield* tables
      yield* plot
      yield* disarm
      yield* sql`CREATE TABLE ${sql(`${schema}.kept`)} AS SELECT * FROM ${cards}`
      const run = (statement: string) => sql`${sql.literal(statement.replaceAll(/@(\w+)/g, `"${schema}".$1`))}`
      expect(yield* reported()).toEqual([])
      for (const [title, change, undo, expected] of damages) {
        yield* run(change)
        expect([title, yield* reported()]).toEqual([title, expected])
        yield* run(undo)
        expect([title, yield* reported()]).toEqual([title, []])
      }
      yield* sql`DROP TABLE ${sql(`${schema}.kept`)}`
    })
  )
}
