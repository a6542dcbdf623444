import { DateTime, Effect, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { expect } from "vitest"
import { until } from "../../support/waiting.ts"
import { alter, attempt, connect, login, outcome, quoted, shared, type Test } from "./support.ts"
import { audited, work } from "./work.ts"
import { appendStatement, type Arguments, callStatement, eventOf } from "./writersSql.ts"

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
      const twoEvents = ["a", "b"].map((id) => String(eventOf(id)["events"])).join("\n")
      const claimedRow = "(a,claimed,0,,f,1,2026-01-01,,2,0,w,60,2026-01-01,2026-01-01,0,2,,)"
      const refused: ReadonlyArray<readonly [what: string, statement: string, problem: RegExp | "not permitted"]> = [
        // The clock and the generation.
        ["a time of recording", append(eventOf("a", { override: later })), "not permitted"],
        [
          "a time of a change of one card",
          callStatement(schema, "change_card_v1", {
            card: "a",
            card_position: before.position,
            override: later
          }),
          "not permitted"
        ],
        ["a time of loading", callStatement(schema, "lock_and_load_v4", { override: later }), "not permitted"],
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
        ["no generation", callStatement(schema, "append_and_project_v4", eventOf("a")), /generation .* is missing/],
        [
          "an old generation",
          callStatement(schema, "append_and_project_v4", { ...eventOf("a"), read_generation: 1 }),
          /^SerializationError: generation \d+ of the backlog began after this transaction had read generation 1$/
        ],
        [
          "an unknown reason",
          callStatement(schema, "begin_generation_v1", { reason: "failover" }),
          /cannot begin because of "failover"/
        ],
        // Places in the log.
        ["an existing version", append(eventOf("a", { version: "1" })), /^UniqueViolation/],
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
        [
          "more payloads than events",
          append(eventOf("a", { data: '{"priority":5}\n{"priority":6}' })),
          /null value|invalid input syntax for type json/
        ],
        ["fewer payloads than events", append({ ...eventOf("a"), data: null }), /null value in column "data"/],
        [
          "erasable values of no event",
          append(eventOf("a", { erasable: '\n{"title":"x"}', commitments: "{}" })),
          /null value/
        ],
        ["commitments of no event", append(eventOf("a", { commitments: "\n{}" })), /null value/],
        ["an empty line", append({ ...eventOf("a"), events: "\n" }), /malformed record literal/],
        [
          "a payload of two lines",
          append(eventOf("a", { data: '{"priority":\n5}' })),
          /invalid input syntax for type json/
        ],
        [
          "two events as one",
          append({ ...eventOf("a"), events: twoEvents, is_single: true }),
          /malformed record literal/
        ],
        [
          "two rows as one",
          append({ ...eventOf("a"), changed: `${claimedRow}\n${claimedRow}`, is_single: true }),
          /malformed record literal/
        ],
        ["no event as one", append({ is_single: true }), /null value/],
        ["a line feed in a name", append(eventOf("a", { actor: "one\ntwo" })), /malformed record literal/],
        ["too few fields", append({ ...eventOf("a"), events: "(a,2)" }), /malformed record literal/],
        [
          "too many fields",
          append({ ...eventOf("a"), events: "(a,2,t,1,w,,,,2026-01-01,x)" }),
          /malformed record literal/
        ],
        // Payloads that cannot be stored, and members next to the payload in the hashed text.
        ["no JSON", append(eventOf("a", { data: "{" })), /invalid input syntax for type json/],
        ["a second member", append(eventOf("a", { data: '{},"data":{}' })), /invalid input syntax for type json/],
        ["NUL", append(eventOf("a", { data: '{"priority":"\\u0000"}' })), /unsupported Unicode escape sequence/],
        ["half a pair", append(eventOf("a", { data: '{"priority":"\\ud800"}' })), /invalid input syntax for type json/],
        ["a number without end", append(eventOf("a", { data: '{"priority":1e999999}' })), /overflow|out of range/],
        // Rows that the tables refuse.
        ["half a row", append({ created_states: "(n,ready,0,,f,0,2026-01-01,,1,0,,,,,0,,,)" }), /null value in column/],
        ["an edge to itself", append({ added_edges: "(a,a)" }), /violates check constraint/],
        ["a second receipt", append({ new_receipts: '("w claim",worker,,,,,{})' }), /^UniqueViolation/],
        ["a receipt without an actor", append({ new_receipts: "(c,,,,,,{})" }), /null value in column "actor"/],
        [
          "a negative limit",
          callStatement(schema, "lock_and_load_v4", { claim_limit: -1 }),
          /LIMIT must not be negative/
        ],
        ["an array that is none", callStatement(schema, "lock_and_load_v4", { named: "a" }), /malformed array literal/]
      ]
      for (const [what, statement, problem] of refused) {
        const found = yield* attempt(writer.sql, statement)
        expect([what, found]).toEqual([what, problem === "not permitted" ? problem : expect.stringMatching(problem)])
      }
      // An auditor may execute none of them, whatever the arguments.
      for (const name of [
        "append_and_project_v4",
        "begin_generation_v1",
        "change_card_v1",
        "lock_and_load_v4",
        "lock_head_v1"
      ] as const) {
        expect([name, yield* attempt(auditor.sql, callStatement(schema, name))]).toEqual([name, "not permitted"])
      }
      const { chainHash, position } = yield* owner.audit.anchor()
      expect({ chainHash, position }).toEqual({ chainHash: before.chainHash, position: before.position })
      yield* audited(auditor)
    })
  )

  test(
    "nothing that a writer creates or sets changes what the functions do",
    Effect.gen(function* () {
      const { auditor, logins, owner, schema, writer } = yield* shared
      for (const id of ["a", "b"]) yield* writer.backlog.create({ id, title: id.toUpperCase(), actor: "w" })
      const { position } = yield* owner.audit.anchor()
      const own = `own_${schema}`
      yield* alter((role) => `CREATE SCHEMA ${own} AUTHORIZATION ${role}`, logins.writer)
      const raise = "LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'a shadow was called'; END $$"
      const functions = [
        "sha256(bytea) RETURNS bytea",
        "convert_to(text, name) RETURNS bytea",
        "to_char(timestamp, text) RETURNS text",
        "date_trunc(text, timestamptz) RETURNS timestamptz",
        "clock_timestamp() RETURNS timestamptz",
        "pg_has_role(name, name, text) RETURNS boolean",
        "current_setting(text) RETURNS text",
        "string_to_array(text, text) RETURNS text[]",
        "to_json(anyelement) RETURNS json",
        "pg_notify(text, text) RETURNS void",
        "server_identity(oid) RETURNS text",
        "current_time_v1(timestamptz) RETURNS timestamptz",
        "joined(bytea, bytea) RETURNS bytea",
        "is_equal(text, text) RETURNS boolean",
        "added(bigint, bigint) RETURNS bigint"
      ]
      const tables = ["graph_lock", "cards", "dependencies", "head", "counts", "events", "receipts"]
      const types = ["event_v1", "card_state_v1", "card_content_v1", "card_counts_v1"]
      const statements = [
        ...functions.map((signature) => `CREATE FUNCTION ${own}.${signature} ${raise}`),
        `CREATE OPERATOR ${own}.|| (LEFTARG = bytea, RIGHTARG = bytea, FUNCTION = ${own}.joined)`,
        `CREATE OPERATOR ${own}.= (LEFTARG = text, RIGHTARG = text, FUNCTION = ${own}.is_equal)`,
        `CREATE OPERATOR ${own}.+ (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = ${own}.added)`,
        ...types.map((type) => `CREATE TYPE ${own}.${type} AS (one text)`),
        ...tables.map((table) => `CREATE TABLE ${own}.${table} (one text)`)
      ]
      for (const statement of statements) yield* writer.sql.unsafe(statement)
      const settings = {
        search_path: `${own}, pg_temp, ${schema}, pg_catalog`,
        datestyle: "SQL, DMY",
        intervalstyle: "sql_standard",
        timezone: "Asia/Kathmandu",
        extra_float_digits: "-15",
        bytea_output: "escape",
        array_nulls: "off",
        standard_conforming_strings: "off",
        backslash_quote: "on",
        quote_all_identifiers: "on",
        transform_null_equals: "on",
        synchronous_commit: "off",
        enable_indexscan: "off",
        "plpgsql.extra_errors": "all"
      }
      yield* writer.sql.withTransaction(
        Effect.gen(function* () {
          for (const table of tables)
            yield* writer.sql.unsafe(`CREATE TEMPORARY TABLE ${table} (one text) ON COMMIT DROP`)
          for (const type of types) yield* writer.sql.unsafe(`CREATE TYPE pg_temp.${type} AS (one text)`)
          for (const [name, value] of Object.entries(settings)) {
            yield* writer.sql.unsafe(`SELECT pg_catalog.set_config('${name}', '${value}', true)`)
          }
          yield* writer.sql.unsafe(
            callStatement(schema, "lock_and_load_v4", { graph: "exclusive", named: "{a}", claim_limit: 1 })
          )
          const completion = {
            card: "b",
            card_position: position,
            decided_at: "01/01/2026 05:45:00.123456",
            decided_before: "01/01/2126",
            event_type: "CardCompleted",
            event_schema: 1,
            data: '{"claim":null,"forced":true,"overrode":[],"result":null}',
            by_actor: 'q"\\z',
            event_version: 2,
            new_state: "(b,done,0,,f,0,01/01/2026 00:00:00.123,01/01/2026 00:00:00.123,2,0,,,,,0,,,)",
            counted: "(-1,0,0,0,1)"
          }
          const [completed] = yield* writer.sql.unsafe(appendStatement(schema, completion, "change_card_v1"))
          expect(completed).toMatchObject({ result: expect.any(String) })
          yield* writer.sql.unsafe(callStatement(schema, "lock_head_v1"))
          yield* writer.sql.unsafe(callStatement(schema, "begin_generation_v1", { reason: "restored", at_least: 0 }))
          yield* writer.sql.unsafe(
            appendStatement(schema, {
              ...eventOf("a", { occurredAt: "31/12/2025 05:45:00.123456", actor: 'q"\\z' }),
              made_claimable: "{a}",
              changed: "(a,ready,0,,f,0,31/12/2025 05:45:00.123,,2,0,,,,,0,,,)",
              revised: '(a,,5,,,"""A""",,,{})',
              counted: "(0,0,0,0,0)",
              new_receipts: "(c,w,,,,,{})"
            })
          )
          const found = yield* writer.sql<{ readonly setting: string }>`
            SELECT pg_catalog.current_setting('synchronous_commit') AS setting`
          expect(found).toEqual([{ setting: "on" }])
        })
      )
      const last = yield* Stream.runCollect(auditor.audit.events({ after: position }))
      expect(last.map(({ actor, occurredAt }) => [actor, DateTime.formatIso(occurredAt)])).toEqual([
        ['q"\\z', "2026-01-01T00:00:00.123Z"],
        ['q"\\z', "2025-12-31T00:00:00.123Z"]
      ])
      yield* audited(auditor)
      yield* work(writer, "after")
    })
  )

  test(
    "positions are dense and times of recording are true, whatever a transaction does",
    Effect.gen(function* () {
      const { auditor, owner, schema, writer } = yield* shared
      const ids = ["a", "b", "c", "d"]
      for (const id of ids) yield* writer.backlog.create({ id, title: id, actor: "w" })
      const log = writer.sql(`${schema}.events`)
      const append = (id: string, others = {}) => writer.sql.unsafe(appendStatement(schema, eventOf(id, others)))
      const last = Effect.map(
        writer.sql<{ readonly position: number; readonly at: Date; readonly isLate: boolean }>`
          SELECT position::float8 AS position, recorded_at AS at,
            recorded_at >= date_trunc('milliseconds', now()) AS "isLate"
          FROM ${log} ORDER BY events.position DESC LIMIT 1`,
        (rows) => rows[0] ?? { position: 0, at: new Date(0), isLate: false }
      )
      /** Waits until the clock of the server has passed a time. */
      const pass = (time: Date) =>
        until(
          Effect.map(
            owner.sql<{ readonly is: boolean }>`SELECT date_trunc('milliseconds', clock_timestamp()) > ${time} AS is`,
            (rows) => rows[0]?.is === true
          )
        )
      yield* pass((yield* last).at)

      // Locking the head and beginning a generation do not make the last event one of this transaction.
      yield* writer.sql.withTransaction(
        Effect.gen(function* () {
          const before = yield* last
          yield* writer.sql.unsafe(callStatement(schema, "lock_head_v1"))
          yield* writer.sql.unsafe(callStatement(schema, "begin_generation_v1", { at_least: 0 }))
          yield* writer.sql.unsafe(callStatement(schema, "begin_generation_v1", { reason: "restored" }))
          yield* append("a", { continues: true })
          const after = yield* last
          expect([after.position, after.isLate]).toEqual([before.position + 1, true])
        })
      )
      // Neither does an event that another transaction recorded after this one had begun.
      yield* writer.sql.withTransaction(
        Effect.gen(function* () {
          yield* writer.sql`SELECT pg_current_xact_id()::text`
          yield* owner.backlog.create({ id: "other", title: "Other", actor: "o" })
          const { at } = yield* last
          yield* pass(at)
          yield* append("b", { continues: true })
          expect((yield* last).at.getTime()).toBeGreaterThan(at.getTime())
        })
      )
      // A later part of a batch has the time of the first, also in a savepoint. A savepoint that is rolled back leaves no gap.
      yield* writer.sql.withTransaction(
        Effect.gen(function* () {
          yield* append("c")
          const first = yield* last
          yield* pass(first.at)
          yield* Effect.flip(
            writer.sql.withTransaction(
              Effect.andThen(append("c", { version: "3", continues: true }), Effect.fail("undone"))
            )
          )
          yield* writer.sql.withTransaction(append("c", { version: "3", continues: true }))
          yield* writer.sql.withTransaction(append("c", { version: "4", continues: true }))
          const then = yield* last
          expect([then.position, then.at]).toEqual([first.position + 2, first.at])
          yield* append("c", { version: "5" })
          expect((yield* last).at.getTime()).toBeGreaterThan(first.at.getTime())
        })
      )
      // A snapshot from before another commit cannot be written on.
      const stale = Effect.gen(function* () {
        yield* writer.sql`SELECT position FROM ${writer.sql(`${schema}.head`)}`
        yield* owner.backlog.create({ id: "later", title: "Later", actor: "o" })
        yield* append("d")
      })
      expect(
        yield* outcome(
          Effect.provideService(
            writer.sql.withTransaction(stale),
            SqlClient.BeginTransaction,
            "BEGIN ISOLATION LEVEL REPEATABLE READ"
          )
        )
      ).toMatch(/^SerializationError/)
      // Only rows of cards do not follow from the log. A rebuild makes them follow.
      const { divergences } = yield* auditor.audit.verify()
      expect(divergences.map(({ cardId, check }) => [cardId, check])).toEqual(["a", "b", "c"].map((id) => [id, "card"]))
      expect((yield* owner.audit.rebuild()).verification.divergences).toEqual([])
      yield* audited(auditor)
    })
  )

  test(
    "verification finds what a writer can append or write that does not follow from the rules",
    Effect.gen(function* () {
      const { auditor, owner, schema, writer } = yield* shared
      const found = Effect.map(auditor.audit.verify(), ({ divergences }) =>
        Object.fromEntries(divergences.map(({ cardId, check }) => [cardId ?? "", check] as const))
      )
      const title = { title: { sha256: "0".repeat(64) } }
      const events: Readonly<Record<string, readonly [check: string, call: Arguments]>> = {
        // Payloads and their hashes.
        "not canonical": ["content", { data: '{"priority": 5}' }],
        "another order": ["content", { data: '{"priority":5,"phase":null}' }],
        "a payload of two lines": ["content", { data: '{"priority":\n5}', is_single: true }],
        "the same member twice": ["content", { data: '{"priority":4,"priority":5}' }],
        "a number with a fraction of zero": ["content", { data: '{"priority":5.0}' }],
        "a number that is not exact": ["decode", { data: '{"priority":9007199254740993}' }],
        "a large number": ["decode", { data: '{"priority":1e400}' }],
        "no object": ["decode", { data: "5" }],
        null: ["decode", { data: "null" }],
        "a value next to the hashed one": ["content", { erasable: '{"priority":6}', commitments: "{}" }],
        "a value that the hash does not cover": ["content", { erasable: '{"body":"secret"}', commitments: "{}" }],
        "no commitment": ["content", { data: '{"title":"T"}' }],
        "no salt": [
          "content",
          { data: JSON.stringify(title), erasable: '{"title":"T"}', commitments: JSON.stringify(title) }
        ],
        "another commitment": [
          "content",
          {
            data: JSON.stringify(title),
            erasable: '{"title":"T"}',
            commitments: JSON.stringify({ title: { ...title.title, salt: "0".repeat(32) } })
          }
        ],
        "a commitment of nothing": ["content", { commitments: JSON.stringify(title) }],
        "commitments that are none": ["decode", { commitments: "[1]" }],
        // Events.
        "an unknown type": ["decode", { type: "CardBurnt" }],
        "an unknown field": ["decode", { data: '{"color":"red"}' }],
        "a version of a payload": ["decode", { schemaVersion: "99" }],
        "a value out of range": ["decode", { data: '{"priority":99999999999}' }],
        "a gap in the versions": ["version", { version: "4" }],
        "version 0": ["version", { version: "0" }],
        "a negative version": ["version", { version: "-1" }],
        "version 0 of a payload": ["decode", { schemaVersion: "0" }],
        "an event that cannot follow": ["fold", { type: "CardReopened", data: '{"reason":null}' }],
        "a control character in a name": ["decode", { actor: "a\u0007b" }],
        "a long name": ["decode", { actor: "a".repeat(2_000) }],
        "a time before the calendar": ["decode", { occurredAt: "0044-03-15 12:00:00+00 BC" }],
        "a time after the calendar": ["decode", { occurredAt: "10000-01-01T00:00:00Z" }],
        "no end of time": ["decode", { occurredAt: "infinity" }],
        "an event without its row": ["card", {}]
      }
      const rows: Readonly<Record<string, readonly [check: string, call: Arguments]>> = {
        "another title": ["card", { revised: '("another title",,0,,,"""X""",,,{})' }],
        "another state": ["card", { changed: '("another state",done,0,,f,0,2026-01-01,2026-01-01,1,0,,,,,0,,,)' }],
        "an edge that no event made": ["dependencies", { added_edges: '("an edge that no event made",missing)' }],
        "a status": ["card", { changed: '("a status",odd,0,,f,0,2026-01-01,,1,0,,,,,0,,,)' }],
        "half a claim": ["card", { changed: '("half a claim",claimed,0,,f,0,2026-01-01,,1,0,w,,,,0,,,)' }],
        "a negative counter": ["unmetDependencies", { counters: '("a negative counter",-1)' }],
        "a counter": ["unmetDependencies", { counters: '("a counter",3)' }],
        "a row without events": [
          "card",
          {
            created_states: '("a row without events",ready,0,,f,0,2026-01-01,,1,0,,,,,0,,,)',
            created_contents: '("a row without events",,0,,2026-01-01,"""X""",,,{})'
          }
        ]
      }
      for (const id of [...Object.keys(events), ...Object.keys(rows).slice(0, -1)]) {
        yield* writer.backlog.create({ id, title: "T", actor: "w" })
      }
      yield* writer.sql.unsafe(appendStatement(schema, { counted: "(1,0,0,0,-1)" }))
      expect(yield* found).toEqual({ "": "counts" })
      for (const [id, [, call]] of Object.entries(events)) {
        yield* writer.sql.unsafe(appendStatement(schema, eventOf(id, call)))
      }
      yield* writer.sql.unsafe(appendStatement(schema, eventOf("a card without a first event", { version: "7" })))
      for (const [, call] of Object.values(rows)) yield* writer.sql.unsafe(appendStatement(schema, call))
      expect(yield* found).toEqual({
        ...Object.fromEntries(Object.entries({ ...events, ...rows }).map(([id, [check]]) => [id, check])),
        "a card without a first event": "version"
      })
      // The read model can be rebuilt. The log keeps what was appended, under the writer's credentials.
      expect(yield* outcome(owner.audit.rebuild())).not.toBe("done")
    })
  )

  test(
    "a writer can send any command under any name, write receipts, begin generations and hold locks",
    Effect.gen(function* () {
      const { auditor, owner, schema, writer } = yield* shared
      yield* owner.backlog.create({ id: "a", title: "A", actor: "ann" })
      const { generation } = yield* owner.audit.restored({ actor: "ann" })
      const past = "2001-01-01T00:00:00.000Z"
      yield* writer.sql.withTransaction(
        writer.sql.unsafe(
          appendStatement(schema, {
            ...eventOf("a", { actor: "ann", occurredAt: past }),
            made_claimable: "{a}",
            changed: `(a,ready,0,,f,0,${past},,2,0,,,,,0,,,)`,
            revised: '(a,,5,,,"""A""",,,{})',
            counted: "(0,0,0,0,0)",
            new_receipts: '(used,ann,,,,,"{""_tag"":""Cards"",""cards"":[{""id"":""a"",""version"":2}]}")'
          })
        )
      )
      yield* writer.sql.unsafe(callStatement(schema, "begin_generation_v1", { reason: "imported" }))
      yield* audited(auditor)
      // The time of the business is the writer's statement, the time of recording is not.
      const [last] = yield* Stream.runCollect(auditor.audit.events({ after: 1 }))
      expect([last?.actor, last && DateTime.formatIso(last.occurredAt)]).toEqual(["ann", past])
      expect(last === undefined ? 0 : DateTime.toEpochMillis(last.recordedAt)).toBeGreaterThan(Date.parse("2026-01-01"))
      const [head] = yield* owner.sql<{ readonly generation: number; readonly reason: string }>`
        SELECT generation::float8 AS generation, generation_reason AS reason FROM ${owner.sql(`${schema}.head`)}`
      expect(head?.reason).toBe("imported")
      expect(head?.generation).toBeGreaterThan(generation)
      // The command of this id does nothing, and returns what the writer chose.
      const command = { id: "b", title: "B", actor: "ann" }
      expect((yield* owner.backlog.create({ ...command, commandId: "used" })).id).toBe("a")
      expect((yield* owner.backlog.create({ ...command, commandId: "new" })).id).toBe("b")
      // Commands wait while a transaction of the writer keeps the lock of the head.
      yield* writer.sql.withTransaction(
        Effect.gen(function* () {
          yield* writer.sql.unsafe(callStatement(schema, "lock_head_v1"))
          const blocked = owner.sql.withTransaction(
            Effect.andThen(
              owner.sql`SELECT set_config('lock_timeout', '50ms', true)`,
              owner.backlog.create({ id: "c", title: "C", actor: "ann" })
            )
          )
          expect(yield* outcome(blocked)).toMatch(/^LockTimeoutError/)
        })
      )
      yield* owner.backlog.create({ id: "c", title: "C", actor: "ann" })
      yield* audited(auditor)
    })
  )

  test(
    "a member of the writer's role may set no clock, and a member of the owner may",
    Effect.gen(function* () {
      const { logins, schema, writer } = yield* shared
      yield* writer.backlog.create({ id: "a", title: "A", actor: "w" })
      const [service, operator] = [yield* login("service"), yield* login("operator")]
      yield* alter((role) => `GRANT ${quoted(logins.writer.name)} TO ${role}`, service)
      yield* alter((role) => `GRANT ${quoted(logins.owner.name)} TO ${role}`, operator)
      const statement = appendStatement(schema, eventOf("a", { override: "2126-01-01" }))
      const { sql } = yield* connect(service, { schema })
      const setRole = `SET ROLE ${quoted(logins.writer.name)}`
      expect(yield* attempt(sql, statement)).toBe("not permitted")
      expect(yield* outcome(sql.withTransaction(Effect.andThen(sql.unsafe(setRole), sql.unsafe(statement))))).toBe(
        "not permitted"
      )
      for (const name of [logins.owner.name, "postgres"]) {
        for (const kind of ["ROLE", "SESSION AUTHORIZATION"]) {
          expect(yield* attempt(sql, `SET ${kind} ${quoted(name)}`)).toBe("not permitted")
        }
      }
      // A function with definer's rights of the writer's own runs as the writer.
      const own = `own_${schema}`
      yield* alter((role) => `CREATE SCHEMA ${own} AUTHORIZATION ${role}`, logins.writer)
      yield* writer.sql.unsafe(
        `CREATE FUNCTION ${own}.call() RETURNS text LANGUAGE sql SECURITY DEFINER AS $$ ${statement.replace(" AS result", "")} $$`
      )
      expect(yield* attempt(writer.sql, `SELECT ${own}.call()`)).toBe("not permitted")
      expect(yield* attempt((yield* connect(operator, { schema })).sql, statement)).toBe("done")
    })
  )
}
