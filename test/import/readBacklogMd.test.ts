import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Option, Result } from "effect"
import { mkdir, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseTime } from "../../src/import/fields.ts"
import { planImport } from "../../src/import/planImport.ts"
import { decodeTask, matchSpelling, readBacklogMd, splitTaskFile } from "../../src/import/readBacklogMd.ts"
import { temporaryDirectory } from "../cli/support.ts"

const folder = fileURLToPath(new URL("fixtures/backlog-md", import.meta.url))
const statuses = new Map([["idea", "blocked"]] as const)

const issue = (markdown: string, fields: object = {}) =>
  Result.getOrThrow(decodeTask({ id: "task-1", title: "T", ...fields }, markdown, new Map()))

describe("a folder of Backlog.md", () => {
  it("a plan accounts for every file", async () => {
    const source = await Effect.runPromise(readBacklogMd(folder, "backlog", statuses))
    const plan = await Effect.runPromise(planImport(source))
    assert.deepStrictEqual(
      Array.from(plan.cards.values(), ({ dependsOn, id, status }) => [id, status, dependsOn]),
      [
        ["TASK-1", "ready", ["TASK-4", "TASK-1.1"]],
        ["TASK-1.1", "ready", ["TASK-4"]],
        ["task-2", "blocked", ["TASK-1", "task-77"]],
        ["TASK-4", "done", []]
      ]
    )
    assert.deepStrictEqual(
      plan.malformed.map(({ line, problem }) => [source.placeOf(line), problem.split(":")[0]]),
      [
        ["tasks/notes.md", "it does not begin with front matter between two lines of ---"],
        ["tasks/task-5 - No-YAML.md", "its front matter is not YAML"]
      ]
    )
    assert.deepStrictEqual(
      plan.leftOut.map(({ detail, id, line }) => [source.placeOf(line), id, detail]),
      [["tasks/task-3 - No-such-day.md", "task-3", 'its created_date is "2026-02-30", which is not a valid time']]
    )
  })

  it("tasks are read from a folder of task files too, and from no other folder", async () => {
    const source = await Effect.runPromise(readBacklogMd(`${folder}/completed`, "completed", statuses))
    assert.deepStrictEqual([...(await Effect.runPromise(planImport(source))).cards.keys()], ["TASK-4"])
    for (const path of [`${folder}/none`, `${folder}/tasks/notes.md`]) {
      assert.include(
        (await Effect.runPromise(Effect.flip(readBacklogMd(path, "x", statuses)))).problem,
        "x cannot be imported"
      )
    }
  })
})

describe("a folder with more than tasks", () => {
  const task = (fields: string) => `---\n${fields}\n---\n`
  const files: Readonly<Record<string, string>> = {
    "tasks/task-1 - A.md": task("id: TASK-1\ntitle: A\ndependencies: [task-7, 8]"),
    "tasks/task-2 - B.md": task("id: TASK-2\ntitle: B\nparent_task_id: '01'"),
    "tasks/README.md": "# How we write tasks",
    "tasks/old/task-3 - C.md": task("id: TASK-3\ntitle: C"),
    "completed/task-007 - D.md": task("id: TASK-007\ntitle: D\nstatus: In Progress\nassignee: ann"),
    "completed/task-8 - E.md": task("id: TASK-8\ntitle: E\nstatus: Unheard of"),
    "drafts/draft-1 - F.md": task("id: DRAFT-1\ntitle: F"),
    "docs/readme.md": "# Documents",
    "config.yml": "x: 1"
  }
  const write = async () => {
    const root = await temporaryDirectory()
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(root, path)), { recursive: true })
      await writeFile(join(root, path), text)
    }
    return root
  }
  const planOf = async (root: string) => {
    const source = await Effect.runPromise(readBacklogMd(root, "backlog", new Map()))
    return { source, plan: await Effect.runPromise(planImport(source)) }
  }

  it("completed tasks are done, numbers find their tasks, and folders and readmes are named", async () => {
    const root = await write()
    const { plan, source } = await planOf(root)
    assert.deepStrictEqual(
      Array.from(plan.cards.values(), ({ claim, dependsOn, id, status }) => [id, status, dependsOn, claim]),
      [
        ["TASK-1", "ready", ["TASK-007", "TASK-8", "TASK-2"], undefined],
        ["TASK-2", "ready", ["TASK-007", "TASK-8"], undefined],
        ["TASK-007", "done", [], undefined],
        ["TASK-8", "done", [], undefined]
      ]
    )
    assert.deepStrictEqual(
      plan.otherRecords.map(({ kind, line }) => [source.placeOf(line), kind]),
      [
        ["tasks/README.md", "readme"],
        ["tasks/old", "folder"],
        ["drafts", "folder"]
      ]
    )
    assert.deepStrictEqual([plan.malformed, plan.leftOut], [[], []])
    const alone = await planOf(join(root, "completed"))
    assert.deepStrictEqual(
      Array.from(alone.plan.cards.values(), ({ id, status }) => [id, status]),
      [
        ["TASK-007", "done"],
        ["TASK-8", "done"]
      ]
    )
  })
})

describe("a Backlog.md task file", () => {
  it("a task in progress keeps the names of its assignees", () => {
    const claim = (fields: object) => issue("", fields).claim
    assert.deepStrictEqual(claim({ status: "In Progress", assignee: ["@ann", "@ben"] }), {
      owner: "@ann, @ben",
      until: null,
      live: true
    })
    assert.isUndefined(claim({ status: "To Do", assignee: ["@ann"] }))
    assert.isUndefined(claim({ status: "In Progress", assignee: [] }))
  })

  it("a check list becomes the acceptance criteria, implementation notes a note, and the rest the body without markers", () => {
    const { card, notes } = issue(
      "\n## Description\n\n<!-- SECTION:DESCRIPTION:BEGIN -->\nWhat.\n<!-- SECTION:DESCRIPTION:END -->\n\n## Acceptance Criteria\n<!-- AC:BEGIN -->\n- [ ] #1 one\n- [x] #2 two\n<!-- AC:END -->\n\n## Notes\n\nN.\n\n## Implementation Notes\n\n<!-- SECTION:NOTES:BEGIN -->\nDone.\n<!-- SECTION:NOTES:END -->\n"
    )
    assert.deepStrictEqual(notes, ["Done."])
    assert.deepStrictEqual(card.acceptance, [
      { text: "one", done: false },
      { text: "two", done: true }
    ])
    assert.strictEqual(card.body, "What.\n\n\n## Notes\n\nN.")
  })

  it("criteria that are not a check list and code blocks are not changed", () => {
    const { card } = issue(
      "## Acceptance Criteria\n\nAll of it:\n- [ ] one\n\n## Code\n\n```\n## Acceptance Criteria\n<!-- AC:END -->\n```\n"
    )
    assert.strictEqual(card.acceptance, "All of it:\n- [ ] one")
    assert.strictEqual(card.body, "## Code\n\n```\n## Acceptance Criteria\n<!-- AC:END -->\n```")
  })

  it.each([undefined, "", "0001-01-01", "0001-01-01 00:00"])("a task created at %j has no time", (created_date) => {
    assert.notProperty(issue("", { created_date }).card, "occurredAt")
  })

  it("an empty task file has neither body nor acceptance criteria", () => {
    const { card } = issue("\n## Description\n\n")
    assert.deepStrictEqual([card.body, card.acceptance], [null, null])
  })

  it.each([
    [{ priority: "high", milestone: "m-1", labels: ["a"] }, { phase: "m-1", labels: ["a"], priority: 3 }, []],
    [
      { labels: ["a", "b"], reporter: "@ann", references: [] },
      { phase: null, labels: ["a", "b"], priority: 0 },
      ["reporter"]
    ]
  ])("front matter %j is decoded", (fields, expected, lost) => {
    const { card, notCarriedOver } = issue("", fields)
    assert.deepInclude(card, expected)
    assert.deepStrictEqual(notCarriedOver, lost)
  })

  it.each([
    ["no id", { id: "" }, "its front matter has no id"],
    ["no title", { title: null }, "its front matter has no title"],
    ["dependencies that are not strings", { dependencies: [{ a: "b" }] }, "its dependencies are not a list of strings"]
  ])("a file with %s is malformed", (_, fields, problem) => {
    assert.strictEqual(
      Result.getOrThrow(Result.flip(decodeTask({ id: "1", title: "T", ...fields }, "", new Map()))),
      problem
    )
  })

  it("names with @ that are not YAML are accepted", () => {
    const { frontMatter, markdown } = Result.getOrThrow(
      splitTaskFile("---\r\nassignee: @ann\r\nreporter: [@ann, 'x']\r\nlist:\r\n  - @ben \r\n---\r\nbody")
    )
    assert.strictEqual(frontMatter, 'assignee: "@ann"\nreporter: ["@ann", \'x\']\nlist:\n  - "@ben"')
    assert.strictEqual(markdown, "body")
    assert.include(Result.getOrThrow(Result.flip(splitTaskFile("---\nid: 1\n"))), "no end")
  })

  it("ids are matched by prefix and number, without regard to case and leading zeros", () => {
    const named = (id: string, to: string) => ({ ...issue("", { id }), edges: [{ to }] })
    const spelled = matchSpelling([
      named("TASK-007", "jira-2"),
      named("TASK-7.01", "task-0007.1"),
      named("JIRA-2", "7"),
      named("note", "NOTE"),
      named("TASK-10", "task-1")
    ])
    assert.deepStrictEqual(
      spelled.map(({ edges }) => edges[0]?.to),
      ["JIRA-2", "TASK-7.01", "TASK-007", "note", "task-1"]
    )
  })

  it("ids are matched case-insensitively, unless both spellings exist", () => {
    const named = (id: string, to: string) => ({ ...issue("", { id }), edges: [{ to }], parent: to })
    const spelled = matchSpelling([named("TASK-1", "task-2"), named("Task-2", "TASK-1"), named("task-1", "task-9")])
    assert.deepStrictEqual(
      spelled.map(({ edges, parent }) => [edges[0]?.to, parent]),
      [
        ["Task-2", "Task-2"],
        ["TASK-1", "TASK-1"],
        ["task-9", "task-9"]
      ]
    )
  })
})

describe("a time in a task file", () => {
  it.each([
    ["2026-01-22", "2026-01-22T00:00:00.000Z"],
    ["2026-01-22 09:30", "2026-01-22T09:30:00.000Z"],
    ["2026-01-22T09:30:15.5", "2026-01-22T09:30:15.500Z"],
    ["2026-01-22 09:30:15+02", "2026-01-22T07:30:15.000Z"],
    ["2026-01-22T09:30:15.123456-08:00", "2026-01-22T17:30:15.123Z"],
    ["22-01-26", "2026-01-22T00:00:00.000Z"],
    ["22/01/26", "2026-01-22T00:00:00.000Z"]
  ])("%s is a valid time", (written, expected) => {
    assert.strictEqual(DateTime.formatIso(Option.getOrThrow(parseTime(written))), expected)
  })

  it.each(["", "soon", "2026-02-30", "2026-13-01", "2026-01-22 25:00", "1769073000", "infinity"])(
    "%j is not a valid time",
    (written) => {
      assert.isTrue(Option.isNone(parseTime(written)))
    }
  )
})
