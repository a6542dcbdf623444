import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { DateTime, Result, Schema } from "effect"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { encodeBeads } from "../../src/import/encodeBeads.ts"
import { decodeBeadsLine, toIssue } from "../../src/import/readBeads.ts"
import { Card, CardNote } from "../../src/index.ts"
import { cli, json, onServer, temporaryDirectory } from "../cli/support.ts"
import { plainCard } from "../support/plainCard.ts"

const plain = {
  ...plainCard,
  priority: 2,
  createdAt: "2026-01-05T09:00:00.123Z",
  updatedAt: "2026-01-06T09:00:00.000Z"
}

const exported = (fields: Partial<typeof Card.Encoded>, notes: ReadonlyArray<CardNote> = []) => {
  const { line, lost } = encodeBeads(Schema.decodeSync(Card)({ ...plain, ...fields }), notes)
  return { issue: JSON.parse(line), lost, again: toIssue(Result.getOrThrow(decodeBeadsLine(line))) }
}

describe("a card exported to beads", () => {
  it("importing an exported card creates the same card as far as beads can express it", () => {
    const { again, lost } = exported({
      body: "B\n\n## Design\n\nD",
      phase: "p",
      labels: ["q", "r"],
      priority: 4,
      dependsOn: ["b", "c"],
      acceptance: "All of it"
    })
    const { occurredAt, ...card } = again.card
    assert.deepStrictEqual(card, {
      id: "a",
      title: "A",
      body: "B\n\n## Design\n\nD",
      phase: "p",
      labels: ["q", "r"],
      priority: 4,
      status: "ready",
      acceptance: "All of it"
    })
    assert.strictEqual(occurredAt && DateTime.formatIso(occurredAt), plain.createdAt)
    assert.deepStrictEqual(
      again.edges.map(({ otherType, to }) => [to, otherType]),
      [
        ["b", undefined],
        ["c", undefined]
      ]
    )
    assert.deepStrictEqual(lost, [])
  })

  it.each<[Partial<typeof Card.Encoded>, object]>([
    [{ status: "ready" }, { status: "open" }],
    [{ status: "blocked" }, { status: "blocked" }],
    [
      { status: "claimed", claimOwner: "w" },
      { status: "in_progress", assignee: "w" }
    ],
    [
      { status: "done", completedAt: "2026-01-07T00:00:00.000Z", result: "It works" },
      { status: "closed", closed_at: "2026-01-07T00:00:00.000Z", close_reason: "It works" }
    ],
    [{ priority: 0 }, { priority: 4 }],
    [{ priority: 99 }, { priority: 0 }],
    [{ priority: -1 }, { priority: 4 }],
    [{ acceptance: { a: 1 } }, { acceptance_criteria: '{"a":1}' }]
  ])("a card with %j is exported with %j", (fields, expected) => {
    assert.deepInclude(exported(fields).issue, expected)
  })

  it("notes become comments and back, with their authors and times", () => {
    const note = (version: number, text: string) =>
      Schema.decodeSync(CardNote)({ version, text, actor: "ann", at: "2026-01-06T10:00:00.000Z", claim: null })
    const { again, issue } = exported({ noteCount: 2 }, [
      note(3, "bo wrote at 2026-01-05T10:00:00.000Z:\n\nSecond."),
      note(2, "First.")
    ])
    assert.deepStrictEqual(issue.comments, [
      { id: 1, issue_id: "a", author: "ann", text: "First.", created_at: "2026-01-06T10:00:00.000Z" },
      { id: 2, issue_id: "a", author: "bo", text: "Second.", created_at: "2026-01-05T10:00:00.000Z" }
    ])
    assert.deepStrictEqual(again.notes, [
      "ann wrote at 2026-01-06T10:00:00.000Z:\n\nFirst.",
      "bo wrote at 2026-01-05T10:00:00.000Z:\n\nSecond."
    ])
  })

  it("a time before which a card cannot be claimed is defer_until", () => {
    const { again, issue } = exported({ notBefore: "2100-01-01T00:00:00.000Z" })
    assert.strictEqual(issue.defer_until, "2100-01-01T00:00:00.000Z")
    assert.strictEqual(again.card.notBefore && DateTime.formatIso(again.card.notBefore), "2100-01-01T00:00:00.000Z")
  })

  it("an export names the fields that are lost", () => {
    assert.deepStrictEqual(
      exported({
        priority: 5,
        status: "claimed",
        claimOwner: "w",
        attempts: 2,
        idempotencyKey: "k",
        acceptance: 1,
        result: [1],
        blockedReason: "r"
      }).lost,
      [
        "priority outside 0 to 4, written as the nearest",
        "attempts",
        "blockedReason",
        "claim, except its owner",
        "idempotencyKey",
        "acceptance that is not text, written as JSON",
        "result that is not text, written as JSON"
      ]
    )
  })
})

const sample = fileURLToPath(new URL("fixtures/sample.beads.jsonl", import.meta.url))

describe("a backlog exported to beads", () => {
  const place = onServer()
  beforeAll(async () => {
    await cli([...place.flags, "import", sample])
    await cli([...place.flags, "create", "--id", "own", "--title", "Own", "--acceptance", "[1]", "--priority", "7"])
  })
  afterAll(() => place.remove())
  const comparable = [
    "acceptance",
    "body",
    "createdAt",
    "dependsOn",
    "id",
    "labels",
    "phase",
    "priority",
    "status",
    "title"
  ]
  const same = (card: Record<string, unknown>) => Object.fromEntries(comparable.map((field) => [field, card[field]]))

  const beyond = new Set<string>()
  /** Whether beads has such a priority. */
  const sayable = ({ id, priority }: { id: string; priority: number }) => {
    if (priority < 0 || priority > 4) beyond.add(id)
    return !beyond.has(id)
  }

  it("exporting and importing a backlog keeps its cards", async () => {
    const { code, stderr, stdout } = await cli([...place.flags, "export", "--format", "beads"])
    assert.strictEqual(code, 0)
    assert.strictEqual(
      stderr,
      "Not exported to beads, with the number of cards:\n" +
        "  1  acceptance that is not text, written as JSON\n  3  blockedReason\n" +
        "  2  priority outside 0 to 4, written as the nearest\n"
    )
    const file = join(await temporaryDirectory(), "issues.jsonl")
    const { data } = await json([...place.flags, "export", file, "--format", "beads"])
    assert.deepInclude(data, { issues: 14, position: 15 })
    assert.deepStrictEqual(Object.values(data.notCarriedOver), [1, 3, 2])
    assert.strictEqual(await readFile(file, "utf8"), stdout)
    assert.strictEqual((await json([...place.flags, "export", file, "--format", "beads"])).code, 5)
    assert.strictEqual((await json([...place.flags, "export", "--format", "beads"])).code, 2)

    const other = onServer()
    const { data: report } = await json([...other.flags, "import", file, "--strict"])
    assert.deepInclude(report, { taken: 14, leftOut: 0 })
    const [before, after] = [
      (await json([...place.flags, "list"])).data.filter(sayable),
      (await json([...other.flags, "list"])).data.filter(({ id }: { id: string }) => !beyond.has(id))
    ]
    assert.lengthOf(before, 12)
    assert.deepStrictEqual(after.map(same), before.map(same))
    // Importing the file into the backlog that it comes from reports only what beads could not express.
    const { data: home } = await json([...place.flags, "import", file])
    assert.deepInclude(home, { taken: 0, unchanged: 12, differing: 2 })
    await other.remove()
  })
})
