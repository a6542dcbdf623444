import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { readFile } from "node:fs/promises"
import type { Issue } from "../../src/import/Source.ts"
import { planImport, planRecords } from "../../src/import/planImport.ts"
import { decodeTasks, readTaskMaster } from "../../src/import/readTaskMaster.ts"
import { inputFileFor } from "../support/beadsData.ts"

const none = new Map()

const sample = () => readFile(new URL("fixtures/tasks.json", import.meta.url), "utf8")

const issuesOf = (json: unknown, statuses: Parameters<typeof decodeTasks>[1] = none): ReadonlyArray<Issue> =>
  Result.getOrThrow(decodeTasks(json, statuses)).flatMap(({ record }) =>
    record._tag === "Issue" ? [record.issue] : []
  )

const flat = (...tasks: ReadonlyArray<object>) => ({
  tasks: tasks.map((task, index) => ({ id: index + 1, title: "T", ...task }))
})

describe("a tasks.json", () => {
  it("a plan accounts for every task and subtask", async () => {
    const source = await Effect.runPromise(readTaskMaster(await sample(), "tasks.json", none))
    const plan = await Effect.runPromise(planImport(source))
    const dependsOn = Object.fromEntries(Array.from(plan.cards.values(), (card) => [card.id, card.dependsOn]))
    assert.deepStrictEqual(dependsOn, {
      "1": [],
      "2": ["1", "2.1", "2.2", "2.3"],
      "2.1": ["1"],
      "2.2": ["2.1", "2.3", "1"],
      "2.3": ["4", "1"],
      "3": ["2"],
      "4": [],
      "5": ["3", "99"],
      "11": [],
      "11.1": ["11"],
      "experiments/1": [],
      "experiments/2": ["experiments/1"]
    })
    assert.deepStrictEqual(
      plan.leftOut.map(({ detail, id, line, reason }) => [source.placeOf(line), id, reason, detail]),
      [
        ["task 5", "5", "duplicate", "task 5 has the same id"],
        ["task 6", "6", "refused", 'its status is "parked", which is unknown: map it with --map-status'],
        [
          "task 7",
          "7",
          "refused",
          'its priority is "extreme", which is unknown: it must be a whole number or one of critical, urgent, high, medium, normal, low'
        ],
        ["task 9", "9", "cycle", "it waits for itself: 9 → 10 → 9"],
        ["task 10", "10", "cycle", "it waits for itself: 9 → 10 → 9"]
      ]
    )
    assert.deepStrictEqual(
      plan.malformed.map(({ line }) => source.placeOf(line)),
      ["task 8", "subtask number 2 of task 11", 'key "version"']
    )
    const { implied, ...edges } = plan.edges
    assert.deepStrictEqual(edges, {
      total: 18,
      dependencies: 15,
      repeated: 0,
      otherTypes: { "implied, but would close a cycle": 1 },
      ofIssuesLeftOut: 2
    })
    assert.deepStrictEqual(
      [...implied],
      [
        ["2", 3],
        ["2.1", 1],
        ["2.2", 1],
        ["2.3", 1]
      ]
    )
  })

  it("a tasks.json without tags is one list", () => {
    const [task, subtask] = issuesOf(
      flat({ description: "What.", details: "How.", testStrategy: "Proof.", subtasks: [{ id: 1, title: "Sub" }] })
    )
    assert.deepStrictEqual(task?.card, {
      id: "1",
      title: "T",
      body: "What.\n\n## Details\n\nHow.",
      phase: null,
      labels: [],
      priority: 2,
      status: "ready",
      acceptance: "Proof."
    })
    assert.deepStrictEqual([subtask?.id, subtask?.parent], ["1.1", "1"])
  })

  it("subtasks inherit their task's priority, and criteria come before the test strategy", () => {
    const [, subtask] = issuesOf(
      flat({ priority: "high", subtasks: [{ id: "1.1", title: "S", acceptanceCriteria: "A", testStrategy: "B" }] })
    )
    assert.deepStrictEqual(
      [subtask?.id, subtask?.card.priority, subtask?.card.acceptance],
      ["1.1", 3, "A\n\n## Test strategy\n\nB"]
    )
  })

  it.each([
    ["pending", "ready", undefined],
    ["In Progress", "ready", undefined],
    ["done", "done", undefined],
    ["completed", "done", undefined],
    ["blocked", "blocked", undefined],
    ["deferred", "blocked", 'Its status in the source was "deferred".'],
    ["review", "blocked", 'Its status in the source was "review".'],
    ["cancelled", "blocked", 'Its status in the source was "cancelled".']
  ])("a task with status %s becomes a card that is %s", (status, expected, reason) => {
    const [issue] = issuesOf(flat({ status }))
    assert.deepStrictEqual([issue?.card.status, issue?.card.blockedReason], [expected, reason])
  })

  it.each([
    ["done", "done"],
    ["cancelled", "cancelled"],
    ["on ice", "on ice"]
  ])("an open part of a task with status %s is blocked, with the reason, at every depth", (status, word) => {
    const json = flat({
      status,
      subtasks: [
        { id: 1, title: "S", status: "in-progress", subtasks: [{ id: 1, title: "D" }] },
        { id: 2, title: "S", status: "done" },
        { id: 3, title: "S", status: "deferred" }
      ]
    })
    const reason = `Task "1", of which it is a part, has the status ${JSON.stringify(word)} in the source.`
    assert.deepStrictEqual(
      issuesOf(json, new Map([["on-ice", "blocked"]]))
        .slice(1)
        .map(({ card, id }) => [id, card.status, card.blockedReason]),
      [
        ["1.1", "blocked", reason],
        ["1.1.1", "blocked", reason],
        ["1.2", "done", undefined],
        ["1.3", "blocked", 'Its status in the source was "deferred".']
      ]
    )
  })

  it("a list without a tag and lists with a tag in one file are all imported", () => {
    const task = { title: "T", subtasks: [{ id: 1, title: "S" }] }
    const issues = issuesOf({
      tasks: [{ ...task, id: 1 }],
      master: { tasks: [{ ...task, id: 1 }], metadata: {} },
      later: { tasks: [{ ...task, id: 7, dependencies: [1] }] },
      project: "P",
      metadata: {}
    })
    assert.deepStrictEqual(
      issues.map(({ card, edges, id, parent }) => [id, card.phase, card.labels, parent, edges.map(({ to }) => to)]),
      [
        ["1", null, [], undefined, []],
        ["1.1", null, [], "1", []],
        ["master/1", "master", ["master"], undefined, []],
        ["master/1.1", "master", ["master"], "master/1", []],
        ["later/7", "later", ["later"], undefined, ["later/1"]],
        ["later/7.1", "later", ["later"], "later/7", []]
      ]
    )
  })

  const mixed = inputFileFor("a file of task-master with two kinds of lists is imported", "task-master-mixed.json")
  it.skipIf(mixed === undefined)("every task of a file with two kinds of lists is planned", async () => {
    const source = await Effect.runPromise(readTaskMaster(await readFile(mixed ?? "", "utf8"), "tasks.json", none))
    const plan = await Effect.runPromise(planImport(source))
    assert.deepStrictEqual(
      Array.from(plan.cards.values(), ({ id, status }) => [id, status]),
      [
        ["1", "ready"],
        ["2", "done"],
        ["2.1", "blocked"],
        ["master/1", "ready"],
        ["later/7", "ready"]
      ]
    )
    assert.deepStrictEqual([plan.malformed, plan.leftOut], [[], []])
  })

  it("a mapped status has the meaning of the mapping", () => {
    const [issue] = issuesOf(flat({ status: "On Ice" }), new Map([["on-ice", "done"]]))
    assert.strictEqual(issue?.card.status, "done")
  })

  it("2,000 levels of subtasks are read", () => {
    let task: object = { id: 1, title: "T" }
    for (let depth = 0; depth < 2_000; depth++) task = { id: 1, title: "T", subtasks: [task] }
    assert.lengthOf(issuesOf({ tasks: [task] }), 2_001)
  })

  it.each([
    ["not JSON", '{"tasks":[}', "it is not JSON that can be stored: at character 11, in /tasks/0, a value is expected"],
    ["not exact, with a number that would be changed", '{"tasks":[12345678901234567890]}', "would be changed"],
    ["a list", "[]", "it is not a JSON object"],
    ["without tasks", '{"a":1}', "it has no list of tasks"]
  ])("a tasks.json that is %s is refused", async (_, text, problem) => {
    const error = await Effect.runPromise(Effect.flip(readTaskMaster(text, "tasks.json", none)))
    assert.include(error.problem, problem)
  })
})

describe("implied dependencies", () => {
  const issue = (id: string, parent?: string, ...to: ReadonlyArray<string>) =>
    ({
      _tag: "Issue",
      line: 1,
      issue: {
        id,
        status: "open",
        card: { id, title: id },
        edges: to.map((each) => ({ to: each })),
        parent,
        notCarriedOver: []
      }
    }) as const
  const dependenciesIn = (...records: ReadonlyArray<ReturnType<typeof issue>>) =>
    Object.fromEntries(Array.from(planRecords(records).cards.values(), ({ dependsOn, id }) => [id, dependsOn]))

  it("a card depends on its parts, and parts on what their parent depends on, at every depth", () => {
    assert.deepStrictEqual(dependenciesIn(issue("a", undefined, "x"), issue("b", "a"), issue("c", "b"), issue("x")), {
      a: ["x", "b"],
      b: ["c", "x"],
      c: ["x"],
      x: []
    })
  })

  it("a part never depends on another part that only the parent depends on", () => {
    assert.deepStrictEqual(dependenciesIn(issue("a", undefined, "b"), issue("b", "a"), issue("c", "a")), {
      a: ["b", "c"],
      b: [],
      c: []
    })
  })

  it("an implied dependency that would close a cycle is not added", () => {
    // x depends on a part of a, and a on x: the part must not depend on x.
    const records = [issue("a", undefined, "x"), issue("b", "a"), issue("x", undefined, "b")]
    assert.deepStrictEqual(dependenciesIn(...records), { a: ["x", "b"], b: [], x: ["b"] })
    assert.deepStrictEqual(planRecords(records).edges.otherTypes, { "implied, but would close a cycle": 1 })
    // Issues that are parts of each other and of themselves.
    assert.deepStrictEqual(dependenciesIn(issue("a", "b"), issue("b", "a"), issue("c", "c")), {
      a: [],
      b: ["a"],
      c: []
    })
  })
})
