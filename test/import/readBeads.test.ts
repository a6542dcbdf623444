import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Result } from "effect"
import { planImport } from "../../src/import/planImport.ts"
import { decodeBeadsLine, readBeads, toIssue } from "../../src/import/readBeads.ts"
import { readLines } from "../../src/import/readLines.ts"

const required = { id: "a", title: "A", status: "open", priority: 2, created_at: "2026-01-22T12:04:05Z" }

/** The time at which the file is read. */
const now = Date.parse("2026-06-01T00:00:00Z")

const decoded = (fields: object) =>
  Result.getOrThrowWith(decodeBeadsLine(JSON.stringify({ ...required, ...fields })), (problem) => new Error(problem))

/** The text in chunks of `size` bytes. */
async function* inPieces(text: string | Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text)
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size)
}

/** Node 20 has no `Array.fromAsync`. */
const allOf = async <A>(items: AsyncIterable<A>): Promise<ReadonlyArray<A>> => {
  const all: Array<A> = []
  for await (const item of items) all.push(item)
  return all
}

describe("lines of a file", () => {
  it.each([1, 2, 3, 7, 100])("lines are read whole from chunks of %i bytes", async (size) => {
    const lines = await allOf(readLines(inPieces("\ufeffone\r\n\nzwölf\n漢字", size)))
    assert.deepStrictEqual(lines, [
      { number: 1, text: "one" },
      { number: 2, text: "" },
      { number: 3, text: "zwölf" },
      { number: 4, text: "漢字" }
    ])
  })

  it("a line that is not UTF-8 does not affect the others", async () => {
    const lines = await allOf(readLines(inPieces(new Uint8Array([255, 10, 97, 10]), 2)))
    assert.deepStrictEqual(lines, [
      { number: 1, problem: "it is not UTF-8" },
      { number: 2, text: "a" }
    ])
  })

  it("a line that is too long does not affect the others", async () => {
    const lines = await allOf(readLines(inPieces(`${"x".repeat(17 * 2 ** 20)}\nb\n`, 65_536)))
    assert.deepStrictEqual(lines[1], { number: 2, text: "b" })
    assert.property(lines[0], "problem")
  })
})

describe("a line of a beads file", () => {
  it("an issue becomes a card", () => {
    const issue = decoded({
      status: "closed",
      priority: 0,
      description: "What.\n",
      design: "How.",
      notes: "Why.",
      acceptance_criteria: "When.",
      labels: ["alpha", "beta"],
      created_at: "2026-01-22T12:04:05.123456789-08:00",
      issue_type: "bug",
      assignee: ""
    })
    const { occurredAt, ...card } = toIssue(issue, now).card
    assert.deepStrictEqual(card, {
      id: "a",
      title: "A",
      body: "What.\n\n\n## Design\n\nHow.\n\n## Notes\n\nWhy.",
      phase: null,
      labels: ["alpha", "beta"],
      priority: 4,
      status: "done",
      acceptance: "When."
    })
    assert.strictEqual(occurredAt && DateTime.formatIso(occurredAt), "2026-01-22T20:04:05.123Z")
    assert.deepStrictEqual(issue.notCarriedOver, ["issue_type"])
  })

  it.each([
    ["open", "ready"],
    ["in_progress", "ready"],
    ["something new", "ready"],
    ["blocked", "blocked"],
    ["closed", "done"]
  ])("an issue with status %s is %s", (status, expected) => {
    const { card } = toIssue(decoded({ status }), now)
    assert.deepStrictEqual([card.status, card.blockedReason], [expected, undefined])
  })

  it.each([
    [{ status: "deferred" }, 'Its status in the source was "deferred".'],
    [{ status: "pinned" }, 'Its status in the source was "pinned".'],
    [{ status: "hooked", assignee: "ann" }, 'Its status in the source was "hooked", held by "ann".'],
    [{ pinned: true }, "It is pinned in the source."],
    [{ pinned: true, defer_until: "2026-06-02T00:00:00Z" }, "It is pinned in the source."]
  ])("an issue with %j is blocked, with the reason", (fields, reason) => {
    const { card } = toIssue(decoded(fields), now)
    assert.deepStrictEqual([card.status, card.blockedReason], ["blocked", reason])
  })

  it.each([
    { pinned: false },
    { defer_until: "2026-06-01T00:00:00Z" },
    { defer_until: null },
    { defer_until: "0001-01-01T00:00:00Z" }
  ])("an issue with %j is ready", (fields) => {
    const { card } = toIssue(decoded(fields), now)
    assert.deepStrictEqual([card.status, card.notBefore], ["ready", undefined])
  })

  it.each(["open", "in_progress", "deferred"])(
    "an issue with status %s and a later defer_until waits for it",
    (status) => {
      const { card } = toIssue(decoded({ status, defer_until: "2026-06-01T02:00:01+02:00" }), now)
      assert.strictEqual(card.status, "ready")
      assert.strictEqual(card.notBefore && DateTime.formatIso(card.notBefore), "2026-06-01T00:00:01.000Z")
    }
  )

  it("the label phase:NAME is the phase, and all others are labels", () => {
    const { card } = toIssue(decoded({ labels: ["rust", "phase:two: b", "phase:"] }), now)
    assert.deepStrictEqual([card.phase, card.labels], ["two: b", ["rust", "phase:"]])
  })

  it("comments become notes with their authors and times, and other comments are counted", () => {
    const { notCarriedOver, notes } = toIssue(
      decoded({
        comments: [
          { id: 1, author: "ann\n\u0000bo", text: "One.", created_at: "2026-01-23T00:00:00Z" },
          { id: 2, text: "Two." },
          { id: 3, text: "" },
          { id: 4, text: `${"x".repeat(19_999)}\u{1f600}y` }
        ]
      }),
      now
    )
    assert.deepStrictEqual(notes, [
      "ann bo wrote at 2026-01-23T00:00:00.000Z:\n\nOne.",
      "Two.",
      "x".repeat(19_999),
      "\u{1f600}y"
    ])
    assert.notInclude(notCarriedOver, "comments")
    for (const comments of ["many", [{ text: "One." }, "Two."], [{ text: "One." }, { author: "ann" }]]) {
      assert.include(toIssue(decoded({ comments }), now).notCarriedOver, "comments")
    }
  })

  it("an issue in progress is ready, and keeps the name of its holder", () => {
    assert.deepStrictEqual(toIssue(decoded({ status: "in_progress", assignee: "ann" }), now).claim, {
      owner: "ann",
      until: null,
      live: true
    })
    assert.isUndefined(toIssue(decoded({ assignee: "ann" }), now).claim)
  })

  it.each([{ created_at: "0001-01-01T00:00:00Z" }, { created_at: null }, { created_at: undefined }])(
    "an issue with %j has no time",
    (fields) => {
      const issue = decoded({ ...fields, title: "0001-01-01", closed_at: "0001-01-01T00:00:00Z" })
      const { card } = toIssue(issue, now)
      assert.notProperty(card, "occurredAt")
      assert.strictEqual(card.title, "0001-01-01")
      assert.deepStrictEqual(issue.notCarriedOver, [])
    }
  )

  it.each([
    ["memory", { _type: "memory", key: "style", value: "short" }],
    ["header", { _schema: "beads-jsonl/1", _sort: "stable-v1" }]
  ])("a %s is known and not an issue", async (kind, line) => {
    const source = await readBeads(inPieces(JSON.stringify(line), 100), "a file", now)
    const plan = await Effect.runPromise(planImport(source))
    assert.deepStrictEqual([plan.otherRecords, plan.issues, plan.malformed], [[{ line: 1, kind }], 0, []])
  })

  it("an issue without texts has no body", () => {
    assert.isNull(toIssue(decoded({ description: "", design: null }), now).card.body)
    assert.strictEqual(toIssue(decoded({ notes: "n" }), now).card.body, "## Notes\n\nn")
  })

  it.each([
    ["a value that is not JSON", "{", "it is not JSON"],
    ["a list", "[]", "it is not a JSON object"],
    ["null", "null", "it is not a JSON object"],
    ["no id", JSON.stringify({ ...required, id: undefined }), '"id"'],
    ["a number for a title", JSON.stringify({ ...required, title: 1 }), '"title"'],
    ["half a priority", JSON.stringify({ ...required, priority: 0.5 }), '"priority"'],
    ["no valid time", JSON.stringify({ ...required, created_at: "soon" }), '"created_at"'],
    [
      "a time that the calendar does not have",
      JSON.stringify({ ...required, created_at: "2026-13-41T12:04:05Z" }),
      '"created_at"'
    ],
    ["a local time", JSON.stringify({ ...required, created_at: "2026-01-22T12:04:05" }), '"created_at"'],
    ["an edge to nothing", JSON.stringify({ ...required, dependencies: [{ type: "blocks" }] }), '"depends_on_id"']
  ])("a line with %s is malformed", (_, line, problem) => {
    const result = decodeBeadsLine(line)
    assert.isTrue(Result.isFailure(result))
    if (Result.isFailure(result)) {
      assert.include(result.failure, problem)
      assert.notInclude(result.failure, "\n")
    }
  })
})

describe("an import plan", () => {
  const planOf = async (issues: ReadonlyArray<object>) =>
    Effect.runPromise(
      planImport(
        await readBeads(
          inPieces(issues.map((issue) => JSON.stringify({ ...required, ...issue })).join("\n"), 1000),
          "a file",
          now
        )
      )
    )
  const edge = (type: string, on: string, metadata?: string) => ({ depends_on_id: on, type, metadata })
  const blocks = (id: string, on: string) => ({ ...edge("blocks", on), issue_id: id })
  const partOf = (whole: string) => edge("parent-child", whole)

  /** The dependencies of each card that is planned as ready, and the reasons of those that are blocked. */
  const stateOf = async (...issues: ReadonlyArray<object>) =>
    Object.fromEntries(
      Array.from((await planOf(issues)).cards.values(), ({ blockedReason, dependsOn, id, status }) => [
        id,
        status === "ready" ? dependsOn : (blockedReason ?? status)
      ])
    )

  it("an issue with a comment that the database cannot store is left out, and named", async () => {
    const comments = [{ text: "One." }, { author: "ann", text: "a\u0000b" }]
    const { cards, leftOut } = await planOf([
      { id: "kept", comments: [{ text: "One." }] },
      { id: "left", comments }
    ])
    assert.deepStrictEqual(Array.from(cards.keys()), ["kept"])
    assert.deepStrictEqual(leftOut, [
      { line: 2, id: "left", reason: "refused", detail: "one of its notes must not contain the NUL character" }
    ])
  })

  it("parts wait for the open issues that their open wholes wait for, and wholes do not wait for their parts", async () => {
    const issues = [
      { id: "tool" },
      { id: "finished", status: "closed" },
      { id: "epic", dependencies: ["tool", "finished", "missing"].map((on) => edge("blocks", on)) },
      { id: "child", dependencies: [partOf("epic"), edge("blocks", "own")] },
      { id: "own" },
      { id: "grandchild", dependencies: [partOf("child")] },
      { id: "closed child", status: "closed", dependencies: [partOf("epic")] },
      { id: "below it", dependencies: [partOf("closed child")] }
    ]
    assert.deepStrictEqual(await stateOf(...issues), {
      tool: [],
      finished: "done",
      epic: ["tool", "finished", "missing"],
      child: ["own", "tool"],
      own: [],
      grandchild: ["tool", "own"],
      "closed child": "done",
      "below it": []
    })
    const { edges } = await planOf(issues)
    assert.deepStrictEqual(
      [edges.otherTypes, Object.fromEntries(edges.implied)],
      [{ "parent-child": 4 }, { child: 1, grandchild: 2 }]
    )
  })

  it("parts for which their whole waits are blocked, since beads offers none of them", async () => {
    assert.deepStrictEqual(
      await stateOf(
        { id: "epic", dependencies: [edge("blocks", "first")] },
        { id: "first", dependencies: [partOf("epic")] },
        { id: "second", dependencies: [partOf("epic")] }
      ),
      {
        epic: ["first"],
        first: '"epic", of which it is a part, waits for it in the source, which offered neither.',
        second: ["first"]
      }
    )
  })

  it("parts of a deferred issue are deferred until the latest of the times", async () => {
    const { cards } = await planOf([
      { id: "epic", defer_until: "2026-06-02T00:00:00Z" },
      { id: "part", dependencies: [partOf("epic")] },
      { id: "later part", defer_until: "2026-06-03T00:00:00Z", dependencies: [partOf("epic")] },
      { id: "part of it", defer_until: "2026-06-01T12:00:00Z", dependencies: [partOf("later part")] },
      { id: "finished", status: "closed", dependencies: [partOf("epic")] }
    ])
    assert.deepStrictEqual(
      Array.from(cards.values(), ({ id, notBefore, status }) => [
        id,
        status,
        notBefore === undefined ? null : DateTime.formatIso(notBefore).slice(0, 10)
      ]),
      [
        ["epic", "ready", "2026-06-02"],
        ["part", "ready", "2026-06-02"],
        ["later part", "ready", "2026-06-03"],
        ["part of it", "ready", "2026-06-03"],
        ["finished", "done", null]
      ]
    )
  })

  it("issues that are blocked under a condition wait, and gates wait for a whole and its open parts", async () => {
    const any = JSON.stringify({ gate: "any-children" })
    assert.deepStrictEqual(
      await stateOf(
        { id: "tool" },
        { id: "fallback", dependencies: [edge("conditional-blocks", "tool")] },
        { id: "epic" },
        { id: "open", dependencies: [partOf("epic")] },
        { id: "closed", status: "closed", dependencies: [partOf("epic")] },
        { id: "all", dependencies: [edge("waits-for", "epic")] },
        { id: "any", dependencies: [edge("waits-for", "epic", any)] },
        { id: "first of any", dependencies: [edge("waits-for", "tool", any)] },
        { id: "part of a gate", dependencies: [partOf("all")] },
        // The whole waits for its gate: this is not a cycle in beads, where a gate waits for parts only.
        { id: "molecule", dependencies: [edge("blocks", "last")] },
        { id: "step", dependencies: [edge("related", "molecule")] },
        { id: "last", dependencies: [edge("waits-for", "molecule")] }
      ),
      {
        tool: [],
        fallback: ["tool"],
        epic: [],
        open: [],
        closed: "done",
        all: ["open", "epic"],
        any: [],
        "first of any": ["tool"],
        "part of a gate": ["open", "epic"],
        molecule: ["last"],
        step: [],
        last: []
      }
    )
  })

  it("the later of two lines with one id is the issue", async () => {
    const plan = await planOf([
      { id: "a", dependencies: [blocks("b", "c")] },
      { id: "b", title: "B" },
      { id: "a", status: "closed" }
    ])
    assert.deepStrictEqual(
      Array.from(plan.cards.values(), ({ dependsOn, id, line, status }) => [id, line, status, dependsOn]),
      [
        ["b", 2, "ready", []],
        ["a", 3, "done", []]
      ]
    )
    assert.deepStrictEqual(plan.leftOut, [
      { line: 1, id: "a", reason: "duplicate", detail: "line 3 has the same id, and is later" }
    ])
    assert.deepInclude(plan.edges, { total: 1, dependencies: 0, ofIssuesLeftOut: 1 })
  })

  it("many parts of a whole that waits for a long chain are planned", async () => {
    const chain = Array.from({ length: 5_000 }, (_, index) => ({
      id: `c${index}`,
      dependencies: [blocks(`c${index}`, `c${index + 1}`)]
    }))
    const parts = Array.from({ length: 10_000 }, (_, index) => ({ id: `p${index}`, dependencies: [partOf("epic")] }))
    const { edges } = await planOf([...chain, { id: "epic", dependencies: [edge("blocks", "c0")] }, ...parts])
    assert.strictEqual(edges.dependencies, 15_001)
  })

  it("every cycle of open issues is left out, and cards that only depend on one are not", async () => {
    const { cards, edges, leftOut } = await planOf([
      { id: "a", dependencies: [blocks("a", "b")] },
      { id: "b", dependencies: [blocks("b", "a"), blocks("b", "f")] },
      { id: "c", dependencies: [blocks("c", "a")] },
      { id: "d", dependencies: [blocks("d", "e")] },
      { id: "e", dependencies: [blocks("e", "d")] },
      { id: "f" },
      { id: "g", dependencies: [blocks("g", "g")] }
    ])
    assert.deepStrictEqual([...cards.keys()], ["c", "f"])
    assert.deepStrictEqual(
      leftOut.map(({ id, reason }) => [id, reason]),
      ["a", "b", "d", "e", "g"].map((id) => [id, "cycle"])
    )
    assert.deepStrictEqual(edges, {
      total: 7,
      dependencies: 1,
      repeated: 0,
      otherTypes: {},
      ofIssuesLeftOut: 6,
      implied: new Map()
    })
  })

  it("a cycle through done issues is opened there, and nothing that waits for it waits forever", async () => {
    const closed = (id: string, ...on: ReadonlyArray<string>) => ({
      id,
      status: "closed",
      dependencies: on.map((each) => blocks(id, each))
    })
    const issues = [
      closed("a", "b"),
      closed("b", "a", "c"),
      { id: "c", dependencies: [blocks("c", "a")] },
      closed("self", "self"),
      { id: "after", dependencies: [blocks("after", "a"), blocks("after", "self")] },
      { id: "open", dependencies: [blocks("open", "mixed")] },
      closed("mixed", "open")
    ]
    const plan = await planOf(issues)
    assert.deepStrictEqual(plan.leftOut, [])
    assert.deepStrictEqual(
      Array.from(plan.cards.values(), ({ dependsOn, id }) => [id, dependsOn]),
      [
        ["a", []],
        ["b", ["a", "c"]],
        ["c", ["a"]],
        ["self", []],
        ["after", ["a", "self"]],
        ["open", ["mixed"]],
        ["mixed", []]
      ]
    )
    assert.deepInclude(plan.edges, {
      total: 9,
      dependencies: 6,
      otherTypes: { "of a done issue, but would close a cycle": 3 },
      ofIssuesLeftOut: 0
    })
  })

  it("a long chain of dependencies is planned", async () => {
    const { cards } = await planOf(
      Array.from({ length: 20_000 }, (_, index) => ({
        id: `c${index}`,
        dependencies: [blocks(`c${index}`, `c${index + 1}`)]
      }))
    )
    assert.strictEqual(cards.size, 20_000)
  })
})
