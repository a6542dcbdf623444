import { assert, describe, it } from "@effect/vitest"
import { DateTime, Result } from "effect"
import { parseTableName } from "../../src/import/readTable.ts"
import { decodeRow, type TableRow } from "../../src/import/decodeRow.ts"

const now = Date.parse("2026-01-22T12:00:00Z")

const rowOf = (columns: Readonly<Record<string, unknown>>, others: ReadonlyArray<string> = []): TableRow => ({
  columns: Object.fromEntries(
    Object.entries({ id: "a", title: "A", ...columns }).map(([name, value]) => [
      name,
      value === null ? null : JSON.stringify(value)
    ])
  ),
  others
})

const issue = (columns: Readonly<Record<string, unknown>>) =>
  Result.getOrThrow(decodeRow(rowOf(columns), now, new Map()))

describe("a row of a mutable backlog", () => {
  it("a row becomes a card", () => {
    const { occurredAt, ...card } = issue({
      body: "B",
      phase: "p",
      priority: -3,
      status: "done",
      depends_on: ["b", 7],
      acceptance: { tests: 3 },
      idempotency_key: "k",
      created_at: "2026-01-01T08:00:00.123456-08:00"
    }).card
    assert.deepStrictEqual(card, {
      id: "a",
      title: "A",
      body: "B",
      phase: "p",
      priority: -3,
      acceptance: { tests: 3 },
      idempotencyKey: "k",
      status: "done"
    })
    assert.strictEqual(occurredAt && DateTime.formatIso(occurredAt), "2026-01-01T16:00:00.123Z")
  })

  it.each(["0001-01-01T00:00:00", "0001-01-01T00:00:00+00:00", "0001-01-01"])(
    "the zero time %s means that there is no time",
    (zero) => {
      const { card, notCarriedOver } = issue({ created_at: zero, updated_at: zero, claimed_at: zero })
      assert.notProperty(card, "occurredAt")
      assert.deepStrictEqual(notCarriedOver, [])
    }
  )

  it("a row with few columns becomes a card with defaults", () => {
    assert.deepStrictEqual(issue({ phase: "", idempotency_key: "", acceptance: "", depends_on: "" }), {
      id: "a",
      status: "ready",
      card: {
        id: "a",
        title: "A",
        body: null,
        phase: null,
        priority: 0,
        acceptance: null,
        idempotencyKey: null,
        status: "ready"
      },
      edges: [],
      claim: undefined,
      notCarriedOver: [],
      problem: undefined
    })
  })

  it.each([
    ["a JSON array", ["b", 12], ["b", "12"]],
    ["text with an array", '["b"]', ["b"]],
    ["null", null, []],
    ["JSON null", { toJSON: () => null }, []]
  ])("dependencies can be %s", (_, value, expected) => {
    assert.deepStrictEqual(
      issue({ depends_on: value }).edges.map(({ to }) => to),
      expected
    )
  })

  it.each([
    ["text", "all tests pass", "all tests pass"],
    ["text with an object", '{"a":1}', { a: 1 }],
    ["text with a number", "17", "17"],
    ["text that only begins like JSON", "[ ] one", "[ ] one"],
    ["a number", 17, 17]
  ])("acceptance that is %s is kept", (_, value, expected) => {
    assert.deepStrictEqual(issue({ acceptance: value }).card.acceptance, expected)
  })

  it("a large numeric id keeps all digits", () => {
    const row: TableRow = { columns: { id: "12345678901234567890", title: '"A"' }, others: [] }
    assert.strictEqual(Result.getOrThrow(decodeRow(row, now, new Map())).id, "12345678901234567890")
  })

  it.each([
    ["a dependency that is not an id", { depends_on: [{}] }, "its depends_on contains a value that is not an id"],
    ["dependencies that are not a list", { depends_on: { a: 1 } }, "its depends_on is not a JSON array"],
    [
      "dependencies that are not JSON",
      { depends_on: "a,b" },
      "its depends_on is not JSON that can be stored: at character 1"
    ],
    ["an unknown status", { status: "parked" }, 'its status is "parked", which is unknown'],
    ["half a priority", { priority: 1.5 }, 'its priority is "1.5"'],
    ["an invalid time", { created_at: "infinity" }, 'its created_at is "infinity", which is not a valid time'],
    ["a title that is a list", { title: ["A"] }, "its title is neither text nor a number"],
    ["a ttl that is a word", { claim_ttl_seconds: "long" }, "its claim_ttl_seconds"]
  ])("a row with %s is refused with the problem", (_, columns, problem) => {
    assert.include(issue(columns).problem, problem)
  })

  it("a row without an id is malformed", () => {
    assert.strictEqual(
      Result.getOrThrow(Result.flip(decodeRow(rowOf({ id: null }), now, new Map()))),
      "its id is empty"
    )
  })

  it("an issue names the fields that are lost, and whether its claim is live", () => {
    const held = { status: "claimed", claim_owner: "w", claimed_at: "2026-01-22T11:50:00Z", attempts: 2 }
    const claimed = Result.getOrThrow(
      decodeRow(
        rowOf({ ...held, claim_ttl_seconds: 900, updated_at: "2026-01-22T11:50:00Z" }, ["color"]),
        now,
        new Map()
      )
    )
    assert.deepStrictEqual(claimed.claim, { owner: "w", until: "2026-01-22T12:05:00.000Z", live: true })
    assert.deepStrictEqual(claimed.notCarriedOver, [
      "claim_owner",
      "claim_ttl_seconds",
      "claimed_at",
      "attempts",
      "updated_at",
      "color"
    ])
    assert.strictEqual(claimed.card.status, "ready")
    assert.deepStrictEqual(issue({ ...held, claim_ttl_seconds: 600 }).claim?.live, false)
    assert.deepStrictEqual(issue(held).claim, { owner: "w", until: null, live: true })
    assert.isUndefined(issue({ ...held, status: "done" }).claim)
  })
})

describe("a table's name", () => {
  it.each([
    ["tasks", '"tasks"'],
    ["Public.Tasks", '"Public"."Tasks"'],
    ['"a.b".c d', '"a.b"."c d"'],
    ['x"; DROP TABLE y; --', undefined],
    ['"x""; DROP TABLE y"', '"x""; DROP TABLE y"'],
    ["", undefined],
    ["a.", undefined],
    [".a", undefined],
    ["a.b.c", undefined],
    ['"a', undefined],
    ['""', undefined]
  ])("the name %s is quoted as %s", (written, quoted) => {
    assert.strictEqual(parseTableName(written)?.quoted, quoted)
  })
})
