import { Effect } from "effect"
import { expect } from "vitest"
import { attempt, shared, type Test } from "./support.ts"
import { audited, work } from "./work.ts"
import { appendStatement, callStatement, eventOf } from "./writersSql.ts"

/** Attacks by a writer who calls the functions of commands with SQL of its own. */
export const endOfLog = (test: Test): void => {
  test(
    "calls that a program would not make are refused",
    Effect.gen(function* () {
      const { auditor, owner, schema, writer } = yield* shared
      yield* work(writer, "w")
      yield* writer.backlog.create({ id: "a", title: "A", actor: "w" })
      const before = yield* owner.audit.anchor()
      const append = (given: Parameters<typeof appendStatement>[1]) => appendStatement(schema, given)
      const later = "2126-01-01"
      const refused: ReadonlyArray<readonly [what: string, statement: string, problem: RegExp | "not permitted"]> = [
        // The clock and the generation.
        ["a time of recording", append(eventOf("a", { override: later })), "not permitted"],
        ["a time of loading", callStatement(schema, "lock_and_load_v1", { override: later }), "not permitted"],
        ["a time of a receipt", append({ new_receipts: "(c,w,,,,,{})", override: later }), "not permitted"],
        [
          "a time of a generation",
          callStatement(schema, "begin_generation_v1", { reason: "restored", override: later }),
          "not permitted"
        ],
        [
          "the last generation",
          callStatement(schema, "begin_generation_v1", { reason: "imported", at_least: 9e15 }),
          "not permitted"
        ],
        ["the clock of the functions", `SELECT ${schema}.current_time_v1(NULL)`, "not permitted"],
        ["no generation", callStatement(schema, "append_and_project_v1", eventOf("a")), /^SerializationError/],
        [
          "an old generation",
          callStatement(schema, "append_and_project_v1", { ...eventOf("a"), read_generation: 1 }),
          /^SerializationError: generation \d+ of the backlog began after this transaction had read generation 1$/
        ],
        [
          "an unknown reason",
          callStatement(schema, "begin_generation_v1", { reason: "x" }),
          /violates check constraint/
        ],
        // Places in the log.
        ["an existing version", append(eventOf("a", { version: "1" })), /^UniqueViolation/],
        ["version 0", append(eventOf("a", { version: "0" })), /violates check constraint/],
        ["no version", append(eventOf("a", { version: "" })), /null value in column "version"/],
        [
          "a version that is too large",
          append(eventOf("a", { version: "2147483648" })),
          /out of range for type integer/
        ],
        ["no card", append({ ...eventOf("a"), events: "(,2,CardRevised,1,w,,,,2026-01-01)" }), /null value in column/],
        ["no actor", append({ ...eventOf("a"), events: "(a,2,CardRevised,1,,,,,2026-01-01)" }), /null value in column/],
        ["no time", append(eventOf("a", { occurredAt: "" })), /invalid input syntax for type timestamp/],
        [
          "a time that is none",
          append(eventOf("a", { occurredAt: "soon" })),
          /invalid input syntax for type timestamp/
        ],
        // Lines that do not match.
        ["more payloads than events", append(eventOf("a", { data: '{"priority":5}\n{"priority":6}' })), /null value/],
        ["fewer payloads than events", append({ ...eventOf("a"), data: null }), /null value in column "data"/],
        ["erasable values of no event", append(eventOf("a", { erasable: '\n{"title":"x"}' })), /null value/],
        ["commitments of no event", append(eventOf("a", { commitments: "\n{}" })), /null value/],
        ["an empty line", append({ ...eventOf("a"), events: "\n" }), /malformed record literal/],
        ["a line feed in a name", append(eventOf("a", { actor: "one\ntwo" })), /malformed record literal/],
        ["too few fields", append({ ...eventOf("a"), events: "(a,2)" }), /malformed record literal/],
        [
          "too many fields",
          append({ ...eventOf("a"), events: "(a,2,t,1,w,,,,2026-01-01,x)" }),
          /malformed record literal/
        ],
        // Payloads that cannot be stored, and members beside the payload in the hashed text.
        ["no JSON", append(eventOf("a", { data: "{" })), /invalid input syntax for type json/],
        ["a second member", append(eventOf("a", { data: '{},"data":{}' })), /invalid input syntax for type json/],
        ["NUL", append(eventOf("a", { data: '{"priority":"\\u0000"}' })), /unsupported Unicode escape sequence/],
        ["half a pair", append(eventOf("a", { data: '{"priority":"\\ud800"}' })), /invalid input syntax for type json/],
        ["a number without end", append(eventOf("a", { data: '{"priority":1e999999}' })), /overflow|out of range/],
        // Rows that the tables refuse.
        [
          "a status",
          append({ created_states: "(n,odd,0,,f,0,2026-01-01,,1,0,,,,,0,,,)" }),
          /null value|check constraint/
        ],
        ["an edge to itself", append({ added_edges: "(a,a)" }), /violates check constraint/],
        ["negative counters", append({ counters: "(a,-1)" }), /violates check constraint/],
        ["a second receipt", append({ new_receipts: '("w claim",worker,,,,,{})' }), /^UniqueViolation/],
        ["a receipt without an actor", append({ new_receipts: "(c,,,,,,{})" }), /null value in column "actor"/],
        [
          "a negative limit",
          callStatement(schema, "lock_and_load_v1", { claim_limits: "{-1}" }),
          /LIMIT must not be negative/
        ],
        ["an array that is none", callStatement(schema, "lock_and_load_v1", { named: "a" }), /malformed array literal/]
      ]
      for (const [what, statement, problem] of refused) {
        const found = yield* attempt(writer.sql, statement)
        expect([what, found]).toEqual([what, problem === "not permitted" ? problem : expect.stringMatching(problem)])
      }
      // An auditor may execute none of them, whatever the arguments.
      for (const name of [
        "append_and_project_v1",
        "begin_generation_v1",
        "lock_and_load_v1",
        "lock_head_v1"
      ] as const) {
        expect([name, yield* attempt(auditor.sql, callStatement(schema, name))]).toEqual([name, "not permitted"])
      }
      const { chainHash, position } = yield* owner.audit.anchor()
      expect({ chainHash, position }).toEqual({ chainHash: before.chainHash, position: before.position })
      yield* audited(auditor)
    })
  )
}
