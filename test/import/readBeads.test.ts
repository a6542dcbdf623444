import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Result } from "effect"
import { planImport } from "../../src/import/planImport.ts"
import { decodeBeadsLine, readBeads, toIssue } from "../../src/import/readBeads.ts"
import { readLines } from "../../src/import/readLines.ts"

const required = { id: "a", title: "A", status: "open", priority: 2, created_at: "2026-01-22T12:04:05Z" }

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
    const { occurredAt, ...card } = toIssue(issue).card
    assert.deepStrictEqual(card, {
      id: "a",
      title: "A",
      body: "What.\n\n\n## Design\n\nHow.\n\n## Notes\n\nWhy.",
      phase: "alpha",
      priority: 4,
      status: "done",
      acceptance: "When."
    })
    assert.strictEqual(occurredAt && DateTime.formatIso(occurredAt), "2026-01-22T20:04:05.123Z")
    assert.deepStrictEqual(issue.notCarriedOver, ["issue_type", "labels after the first"])
  })

  it.each([
    ["open", "ready"],
    ["in_progress", "ready"],
    ["hooked", "ready"],
    ["deferred", "ready"],
    ["pinned", "ready"],
    ["something new", "ready"],
    ["blocked", "blocked"],
    ["closed", "done"]
  ])("an issue with status %s is %s", (status, expected) => {
    assert.strictEqual(toIssue(decoded({ status })).card.status, expected)
  })

  it("an issue without texts has no body", () => {
    assert.isNull(toIssue(decoded({ description: "", design: null })).card.body)
    assert.strictEqual(toIssue(decoded({ notes: "n" })).card.body, "## Notes\n\nn")
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
          "a file"
        )
      )
    )
  const blocks = (id: string, on: string) => ({ issue_id: id, depends_on_id: on, type: "blocks" })

  it("every cycle is left out, and cards that only depend on one are not", async () => {
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
